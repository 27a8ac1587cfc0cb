"""Every refusal of this application, as one small tree.

    AppError
    ├── Invalid                 the request cannot be understood or is out of bounds
    │   └── NotSupported  UnknownModel  MessageTooLong  KeyReused  InvalidCursor  PasswordTooCommon
    │       InvalidConversationFile  DocumentUnreadable  EmptyFile
    ├── Malformed               what was sent is no JSON
    │   └── MalformedForm  NotAPdf
    ├── NotAForm                what was sent is no form, where a file is to come in one
    ├── UnsupportedDocument     a file of a kind that is not read
    ├── TooLarge                more than this address accepts
    │   └── StorageQuotaExceeded
    ├── InvalidEventId          a place in a stream that no client can have reached
    ├── Unauthenticated         no, bad, spent or revoked credentials
    │   └── BadCredentials
    ├── Forbidden               known, but not allowed
    │   └── CrossOrigin  RegistrationClosed  InsufficientScope  SignInRequired
    ├── NotFound                unknown, or someone else's: the same answer
    ├── Gone                    was here, is no longer kept
    ├── Conflict                clashes with what is there
    │   └── EmailTaken  LastAdmin  ConversationBusy  RefreshInProgress  IdempotencyInProgress  AlreadyMade  TooManyKeys
    │       CollectionExists
    ├── TooMany                 a limit; says when to come back
    │   └── TooManyGenerations  AccountLocked  ExportRunning  TooManyDownloads  TooManyDocuments
    ├── Unavailable             a part is away; says when to come back
    │   └── DatabaseUnavailable  StorageUnavailable  VectorsUnavailable  Draining  Overloaded
    ├── StorageFull             there is no room for a file
    ├── FileUnreadable          a file whose content is lost or damaged; others are well
    ├── RangeNotSatisfiable     a part of a file that it does not have
    └── AnswerFailed            a model's answer failed, and its client waited for the whole of it

`code` is the stable machine word of an answer; `detail` is for people and never holds a secret, a path or SQL.
How an error is spelled over HTTP is `app.problems`' business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class AppError(Exception):
    """A refusal with a stable code. `detail` overrides the class's own sentence."""

    code: ClassVar[str] = "internal"
    default_detail: ClassVar[str] = "Something went wrong on our side."
    hangs_up = False
    """Whether the connection is closed with the answer."""

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        self.detail = detail or self.default_detail
        self.retry_after = retry_after
        super().__init__(self.detail)

    @property
    def members(self) -> Mapping[str, str]:
        """What a client is told by name beside the code and the detail."""
        return {}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a body: `at` are the names and numbers down to it."""

    at: Sequence[str | int]
    said: str
    kind: str


class Invalid(AppError):
    """`field` is the one of the body or query that is at fault, where it is one."""

    code = "validation_error"
    default_detail = "The request is not valid."

    def __init__(self, detail: str | None = None, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.field = field

    @property
    def findings(self) -> Sequence[Finding]:
        return [] if self.field is None else [Finding([self.field], self.detail, self.code)]


class NotSupported(Invalid):
    """Something that the chosen model's vendor cannot do; `feature` is the field of a ModelRequest or of its Options
    (`tools`, `top_k`, `format`, `image_link`, `pdf`, …), which each door calls by its own name."""

    code = "not_supported"
    default_detail = "The chosen model cannot do this."

    def __init__(self, feature: str, detail: str | None = None) -> None:
        super().__init__(detail or f"The chosen model cannot do this: {feature}.", field=feature)
        self.feature = feature


class UnknownModel(Invalid):
    """`name` is the one that was asked for, where it may be repeated: short and printable."""

    code = "unknown_model"
    default_detail = "No configured provider has this model."

    def __init__(
        self,
        detail: str | None = None,
        *,
        name: str | None = None,
        field: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail, field=field, retry_after=retry_after)
        self.name = name


class MessageTooLong(Invalid):
    code = "message_too_long"
    default_detail = "The message is too long."


class DocumentUnreadable(Invalid):
    """A document of which nothing can be made; `answer_code` is the stable word for why."""

    code = "unreadable"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail, field="file")
        self.answer_code = code


class EmptyFile(Invalid):
    default_detail = "The file is empty."


class KeyReused(Invalid):
    code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was already used with another body."


class InvalidCursor(Invalid):
    code = "invalid_cursor"
    default_detail = "The cursor is not one that this list gave out."


class PasswordTooCommon(Invalid):
    code = "password_too_common"
    default_detail = (
        "This password would be among the first that are tried. Take several words that have nothing to do with each "
        "other, or have a password manager make one up."
    )


class InvalidConversationFile(Invalid):
    """A file of a conversation that does not hold together, with all that is wrong with it, or the first of it."""

    default_detail = "The file cannot be imported."

    def __init__(self, *findings: Finding, retry_after: int | None = None) -> None:
        super().__init__(retry_after=retry_after)
        self._findings = findings

    @property
    def findings(self) -> Sequence[Finding]:
        return self._findings


class Malformed(AppError):
    code = "invalid_json"
    default_detail = "The body is not valid JSON."


class MalformedForm(Malformed):
    code = "invalid_form"
    default_detail = "The body is not a valid form."


class NotAPdf(Malformed):
    code = "not_a_pdf"
    default_detail = "The file is not a PDF."


class NotAForm(AppError):
    code = "unsupported_media_type"
    default_detail = "The body must be a form, sent as multipart/form-data."


class UnsupportedDocument(AppError):
    """The detail names the file."""

    code = "unsupported_document"
    default_detail = "Documents of this kind cannot be read."


class TooLarge(AppError):
    code = "payload_too_large"
    default_detail = "The body is larger than this address accepts."


class StorageQuotaExceeded(TooLarge):
    code = "storage_quota_exceeded"
    default_detail = "Your files would take more room than you may have; delete some that you no longer need."


class InvalidEventId(AppError):
    """A `Last-Event-ID` or `after` that no client of this stream can have seen."""

    code = "invalid_event_id"
    default_detail = "The event id is not one that this generation has given out."


class Unauthenticated(AppError):
    code = "unauthenticated"
    default_detail = "Valid credentials are required."


class BadCredentials(Unauthenticated):
    code = "bad_credentials"
    default_detail = "The address or the password is wrong."


class Forbidden(AppError):
    code = "forbidden"
    default_detail = "You may not do this."


class CrossOrigin(Forbidden):
    code = "cross_origin"
    default_detail = "A request under the session cookie must come from this site's own pages."


class RegistrationClosed(Forbidden):
    code = "registration_closed"
    default_detail = "Registration is closed on this server."


class InsufficientScope(Forbidden):
    code = "insufficient_scope"
    default_detail = "This API key is not meant for that."


class SignInRequired(Forbidden):
    code = "sign_in_required"
    default_detail = "An API key cannot do this; sign in."


class NotFound(AppError):
    code = "not_found"
    default_detail = "There is nothing here."


class Gone(AppError):
    code = "log_expired"
    default_detail = "The event log of this generation is no longer kept; read the conversation's messages instead."


class Conflict(AppError):
    code = "conflict"
    default_detail = "The request clashes with the present state."


class EmailTaken(Conflict):
    code = "email_taken"
    default_detail = "An account with this address exists already."


class LastAdmin(Conflict):
    code = "last_admin"
    default_detail = "The last active administrator cannot be removed."


class ConversationBusy(Conflict):
    code = "conversation_busy"
    default_detail = "An answer is still being written in this conversation."


class RefreshInProgress(Conflict):
    code = "refresh_in_progress"
    default_detail = "This refresh token was spent a moment ago; use the pair that request received."


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"
    default_detail = "The first request with this Idempotency-Key is still running."


class AlreadyMade(Conflict):
    """An equal request has made what this one asks for, `made_id`; its answer held a secret that is not told again."""

    code = "already_made"
    default_detail = "This request was carried out before; its answer held a secret and is not given again."

    def __init__(
        self, detail: str | None = None, *, made_id: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self._made_id = made_id

    @property
    def members(self) -> Mapping[str, str]:
        return {"id": self._made_id} if self._made_id else {}


class TooManyKeys(Conflict):
    code = "too_many_keys"
    default_detail = "You have as many API keys as one may have; delete one that is not used any more."


class CollectionExists(Conflict):
    code = "collection_exists"
    default_detail = "You have a collection of this name already."


class TooMany(AppError):
    """`limit` is how many are allowed; `retry_after`, in how many seconds there may be room again."""

    code = "rate_limited"
    default_detail = "Too many requests."

    def __init__(self, detail: str | None = None, *, limit: int | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.limit = limit


class TooManyGenerations(TooMany):
    code = "too_many_generations"
    default_detail = "Too many answers are being written at once."


class AccountLocked(TooMany):
    code = "account_locked"
    default_detail = "Too many failed attempts for this address; wait before the next one."


class ExportRunning(TooMany):
    code = "export_running"
    default_detail = "An export of your data is under way; let it end before the next one."


class TooManyDownloads(TooMany):
    code = "too_many_downloads"
    default_detail = "You are reading as many files at once as one may; let one end before the next."


class TooManyDocuments(TooMany):
    code = "too_many_documents"
    default_detail = "As many of your documents wait to be read as may; let some be read before the next."


class Unavailable(AppError):
    code = "unavailable"
    default_detail = "A part of the service is away for the moment."


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    default_detail = "The database is away for the moment."


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    default_detail = "The place where files are kept is away for the moment."


class VectorsUnavailable(Unavailable):
    """The index of passages is away, late or talks nonsense."""

    code = "rag_unavailable"
    default_detail = "The search in documents is away for the moment."


class Draining(Unavailable):
    code = "draining"
    default_detail = "This instance is shutting down."
    hangs_up = True


class StorageFull(AppError):
    code = "storage_full"
    default_detail = "There is no room left for files."


class FileUnreadable(AppError):
    code = "file_unreadable"
    default_detail = "The content of this file cannot be read. Uploading it again repairs it."


class RangeNotSatisfiable(AppError):
    """`size` is how many bytes there are."""

    code = "range_not_satisfiable"
    default_detail = "The file does not have this range of bytes."

    def __init__(self, detail: str | None = None, *, size: int = 0, retry_after: int | None = None) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.size = size


class AnswerFailed(AppError):
    """A model's answer that ended as failed, for a client that waited for it; `code` is the failure's own.

    `rejected` says that the vendor refused the request itself, which on a door is the client's business, not ours;
    `stored` that the question or the failure is kept, so that who asks again stores it twice, or gets the same.
    """

    def __init__(
        self, code: str, detail: str, *, retry_after: int | None = None, rejected: bool = False, stored: bool = False
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.answer_code = code
        self.rejected = rejected
        self.stored = stored


class Overloaded(Unavailable):
    code = "overloaded"
    default_detail = "The service is busy for the moment."
