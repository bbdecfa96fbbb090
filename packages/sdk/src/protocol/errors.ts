/**
 * The one table of what a relay refuses, and how. `reason` is the stable word that programs branch on; `code` and
 * `message` are the original's where it had the case; `hint` says what to do. `retry` means that the same frame may
 * succeed later. The names are the protocol: they never change their meaning.
 */
export const wireErrors = {
  invalid_frame: {
    code: 400,
    message: "Invalid message format",
    hint: "send one JSON object with a string `type` for each text frame",
    retry: false,
  },
  unknown_type: {
    code: 400,
    message: "Unknown message type",
    hint: "see `features` in the answer to `info`",
    retry: false,
  },
  invalid_data: { code: 400, message: "Invalid data", hint: "compare the fields with docs/protocol.md", retry: false },
  username_length: {
    code: 400,
    message: "Username must be 3-32 characters",
    hint: "choose another username",
    retry: false,
  },
  username_characters: {
    code: 400,
    message: "Username contains invalid characters",
    hint: "use A-Z, a-z, 0-9, dash and underscore",
    retry: false,
  },
  invalid_certificate: {
    code: 400,
    message: "Invalid registration data",
    hint: "the certificate or a signature does not verify, or does not match the frame",
    retry: false,
  },
  received_out_of_range: {
    code: 400,
    message: "Received position was never pushed on this connection",
    hint: "acknowledge only what has arrived on this connection, with its log_id",
    retry: false,
  },
  not_listening: { code: 400, message: "Not listening", hint: "send `listen` first", retry: false },
  not_authenticated: {
    code: 401,
    message: "Not authenticated",
    hint: "log in with `authenticate` first",
    retry: false,
  },
  invalid_credentials: {
    code: 401,
    message: "Invalid credentials",
    hint: "register this username first, or check its spelling",
    retry: false,
  },
  challenge_invalid: {
    code: 401,
    message: "Challenge expired or invalid",
    hint: "ask for a new challenge on this connection",
    retry: false,
  },
  challenge_expired: {
    code: 401,
    message: "Challenge expired",
    hint: "ask for a new challenge on this connection",
    retry: false,
  },
  challenge_response: {
    code: 401,
    message: "Invalid challenge response",
    hint: "the answer was made with another key",
    retry: false,
  },
  wrong_relay_name: {
    code: 401,
    message: "This relay is not known by that name",
    hint: "connect by one of the names in `info`, or have the operator add --public-url",
    retry: false,
  },
  already_authenticated: {
    code: 403,
    message: "Already authenticated as another user",
    hint: "open a connection for each user",
    retry: false,
  },
  encryption_required: {
    code: 403,
    message: "Only a full agent can write to a full agent",
    hint: "token accounts and key accounts cannot exchange messages",
    retry: false,
  },
  self_send: { code: 403, message: "Cannot send to oneself", hint: "choose another recipient", retry: false },
  not_a_member: { code: 403, message: "Not a member of this group", hint: "open a conversation first", retry: false },
  account_disabled: { code: 403, message: "Account disabled", hint: "ask the operator of the relay", retry: false },
  blocked: {
    code: 403,
    message: "Blocked by the recipient",
    hint: "the recipient's owner has to allow you again",
    retry: false,
  },
  token_account: {
    code: 403,
    message: "Not available to token accounts",
    hint: "register with an identity key",
    retry: false,
  },
  token_accounts_off: {
    code: 403,
    message: "This relay takes no token accounts",
    hint: "register with an identity key; the relay's operator can allow them by --token-accounts on",
    retry: false,
  },
  invite_required: {
    code: 403,
    message: "This relay registers new names by invite",
    hint: "ask the relay's operator for an invite, and register with it",
    retry: false,
  },
  invite_invalid: {
    code: 403,
    message: "This invite is not good",
    hint: "it is mistyped, used up, expired or revoked: ask the relay's operator for another one",
    retry: false,
  },
  registration_closed: {
    code: 403,
    message: "This relay registers no new names",
    hint: "use another relay, or ask its operator",
    retry: false,
  },
  unreachable_user: {
    code: 404,
    message: "User not found or offline",
    hint: "try again when the user is online",
    retry: true,
  },
  unknown_user: {
    code: 404,
    message: "User not found",
    hint: "check the spelling; names are registered by `register`",
    retry: false,
  },
  no_key_packages: {
    code: 404,
    message: "No key packages left",
    hint: "the recipient must come online once",
    retry: true,
  },
  username_taken: {
    code: 409,
    message: "Registration failed: user already exists",
    hint: "choose another username",
    retry: false,
  },
  login_counter: {
    code: 409,
    message: "Login counter is not higher than the last",
    hint: "the store is an old copy, or another one is in use; `highest` is the last counter",
    retry: false,
  },
  device_counter: {
    code: 409,
    message: "Device counter is not higher than the last",
    hint: "certify the new device with a higher counter",
    retry: false,
  },
  device_replaced: {
    code: 409,
    message: "Device replaced by a newer one",
    hint: "look the recipient up again and open a new conversation",
    retry: false,
  },
  listen_superseded: {
    code: 409,
    message: "Another connection of this device listens now",
    hint: "use one listening connection for each device",
    retry: false,
  },
  message_id_reused: {
    code: 409,
    message: "Message id was used for another message",
    hint: "choose a new message_id",
    retry: false,
  },
  epoch_taken: {
    code: 409,
    message: "Another commit ended this epoch",
    hint: "apply the commit that arrives, then commit again",
    retry: false,
  },
  stale_epoch: {
    code: 409,
    message: "Epoch is too old or unknown",
    hint: "apply the commits that arrive, then encrypt again",
    retry: false,
  },
  group_exists: { code: 409, message: "Group id was used before", hint: "choose a new random group_id", retry: false },
  send_blocked: {
    code: 409,
    message: "An earlier message to this group was refused",
    hint: "send again in order, the first with `resume`: true",
    retry: false,
  },
  expired: { code: 410, message: "Message has expired", hint: "send it again with a later expires_at", retry: false },
  message_too_large: {
    code: 413,
    message: "Message too large",
    hint: "see `limits` in the answer to `info`",
    retry: false,
  },
  rate_limited: { code: 429, message: "Rate limit exceeded", hint: "wait for retry_after_ms, then go on", retry: true },
  internal: { code: 500, message: "Internal error", hint: "try again; the relay's log has the details", retry: true },
  shutting_down: { code: 503, message: "Relay is shutting down", hint: "connect again in a moment", retry: true },
  recipient_busy: {
    code: 503,
    message: "Recipient has not read what strangers have sent before",
    hint: "try again in a moment",
    retry: true,
  },
  mailbox_full: {
    code: 507,
    message: "Mailbox is full",
    hint: "the recipient must read its messages first",
    retry: false,
  },
  sender_quota: {
    code: 507,
    message: "Too many messages wait for unknown users",
    hint: "check the recipients' names",
    retry: false,
  },
  storage_quota: {
    code: 507,
    message: "Too much is stored for this account or its address",
    hint: "wait until others have read what was sent, or ask the relay's operator",
    retry: false,
  },
  storage_full: {
    code: 507,
    message: "Relay cannot write to its disk",
    hint: "nothing was stored; try again later",
    retry: true,
  },
  storage_lost: {
    code: 507,
    message: "Relay has lost its disk",
    hint: "nothing was stored; the operator must put the database back, or restore a backup",
    retry: true,
  },
} as const satisfies Record<string, { code: number; message: string; hint: string; retry: boolean }>;

/** The stable word of a wire error. */
export type WireReason = keyof typeof wireErrors;

/** WebSocket close codes (RFC 6455, section 7.4.1; 4000 and up are ours). */
export const closeCodes = {
  goingAway: 1001,
  frameTooLarge: 1009,
  internal: 1011,
  deviceReplaced: 4001,
  removed: 4002,
  slowReader: 4003,
  tooMany: 4004,
  disabled: 4005,
} as const;
