// EventSource and fetch-event-source at our own chat streams.
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { EventSource } from 'eventsource';
import { given, post, run } from './cases.mjs';

// What it takes for granted of a browser.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

const STREAM = `${given.url}/ai/chat/stream`;
const authorization = `Bearer ${given.token}`;

// A line that breaks after some reads, once.
function breaking(after, seen) {
  let whole = false;
  return async (input, init) => {
    seen?.push(new Headers(init.headers).get('last-event-id'));
    const response = await fetch(input, init);
    if (whole) return response;
    whole = true;
    let reads = 0;
    const body = response.body.pipeThrough(
      new TransformStream({
        transform(chunk, out) {
          out.enqueue(chunk);
          if (++reads === after) out.error(new TypeError('network error'));
        },
      }),
    );
    return new Response(body, { status: response.status, headers: response.headers });
  };
}

function signed(fetching = fetch) {
  return (input, init) => fetching(input, { ...init, headers: { ...init.headers, authorization } });
}

// Listen until it stays closed by itself, as it does when all was read.
function listen(query, fetching) {
  const source = new EventSource(`${STREAM}?${new URLSearchParams(query)}`, { fetch: fetching });
  const heard = { text: '', ids: [], names: [], errors: [] };
  const keep = event => {
    heard.ids.push(event.lastEventId);
    heard.names.push(event.type);
    return JSON.parse(event.data);
  };
  for (const name of ['start', 'usage', 'failure']) source.addEventListener(name, keep);
  source.onmessage = event => {
    const { text = '', status } = keep(event);
    heard.text += text;
    heard.status = status ?? heard.status;
  };
  return new Promise(done => {
    source.onerror = ({ code }) => {
      heard.errors.push(code ?? null);
      if (source.readyState === EventSource.CLOSED) done(heard);
    };
  });
}

async function posted(body, options = {}) {
  const heard = { text: '', names: [], starts: [], status: null };
  await fetchEventSource(STREAM, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', ...options.headers },
    body: JSON.stringify(body),
    openWhenHidden: true,
    fetch: options.fetch,
    onmessage({ event, data, id }) {
      const told = JSON.parse(data);
      heard.names.push(event || 'message');
      if (event === 'start') {
        heard.starts.push(told.generation_id);
        heard.text = ''; // sent once more it is read from its start
      }
      heard.text += told.text ?? '';
      heard.status = told.status ?? heard.status;
      heard.id = id;
    },
    onerror(error) {
      if (!options.again) throw error;
      return 1;
    },
    ...options.hooks,
  });
  return heard;
}

await run({
  async listens() {
    return listen({ message: 'Hello 😀' }, signed());
  },

  async 'listens on'() {
    const sent = [];
    const heard = await listen({ message: 'Count', model: 'openai/count-200-5ms' }, signed(breaking(3, sent)));
    return { ...heard, sent };
  },

  async 'listens with a ticket'() {
    const { ticket } = await (await post('/auth/ticket')).json();
    return listen({ message: 'Hello', ticket }, fetch);
  },

  async 'is refused'() {
    return listen({ message: 'Hello', model: 'nobody/nothing' }, signed());
  },

  async posts() {
    return posted({ message: 'Hello 😀' });
  },

  async 'posts again'() {
    const model = 'openai/count-200-5ms';
    const headers = { 'idempotency-key': crypto.randomUUID() };
    return posted({ message: 'Count', model }, { headers, fetch: breaking(3), again: true });
  },

  async 'posts in vain'() {
    const answers = [];
    const onopen = async response => {
      answers.push([response.status, (await response.json()).code]);
      throw new Error('refused');
    };
    await posted({ message: 'Hello', model: 'nobody/nothing' }, { hooks: { onopen } }).catch(() => {});
    return answers;
  },
});
