# The service as one image: `docker build -t ai-backend .`; README.md says how to run it. Fly builds the same.
# Rebuild it now and then: the tag names a Python and a Debian release, and each build takes their newest patches.
FROM python:3.13-slim-trixie AS python

FROM python AS packages
COPY requirements.lock ./
# Wheels only: nothing is compiled, and no package runs code of its own while the image is built.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary=:all: --require-hashes -r requirements.lock

FROM python
LABEL org.opencontainers.image.title="AI Backend" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/data \
    DATABASE_URL=sqlite+aiosqlite:////data/app.db

# All that the service may write to is /data; a new named volume there takes over this owner. The number is fixed, for it
# is what a folder of the host has to belong to.
RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --home-dir /app --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner app --group app --mode 0700 /data

WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY LICENSE alembic.ini ./
COPY alembic ./alembic
COPY app ./app
# Who runs it may not write here, so what a start would compile each time is compiled once; what is in an image stays as
# it is, and need not be compared. And as it was checked out, it may be nobody else's to read.
RUN python -m compileall -q --invalidation-mode unchecked-hash . && chmod -R a+rX .

USER 10001:10001
EXPOSE 8000
# The first signal lets running answers finish (DRAIN_SECONDS): `docker run --stop-timeout` has to be ten seconds more.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('localhost', int(os.environ['PORT']), timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "app.main"]
