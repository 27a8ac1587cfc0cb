"""What users have uploaded; the bytes themselves are kept elsewhere."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, UniqueConstraint, true

from app.models.base import Hash, Id, UtcDateTime, metadata

files = Table(
    "files",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # Under which its bytes are kept; it is another than `id` once they were lost and uploaded again.
    Column("blob_id", Id, nullable=False),
    Column("name", String(255), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Hash, nullable=False),
    # Whether it was uploaded for itself. If not, it goes with the last document that was made of it.
    Column("uploaded", Boolean, nullable=False, server_default=true()),
    Column("created_at", UtcDateTime, nullable=False),
    # The same content once more is the same file.
    UniqueConstraint("user_id", "sha256"),
    Index(None, "user_id", "created_at", "id"),
    Index(None, "blob_id"),
)
