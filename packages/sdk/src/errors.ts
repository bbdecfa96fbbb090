import { wireErrors, type WireReason } from "./protocol/index.ts";

/**
 * What goes wrong on our side of the wire. (What a relay refuses is the other family: protocol/errors.ts. It reaches the
 * caller as `refused` with the relay's `reason`.) `exit` is the exit code of the command line; `retry` means that the same
 * call may succeed later.
 */
export const localErrors = {
  usage: { exit: 2, retry: false },
  bad_username: { exit: 2, retry: false },
  bad_server: { exit: 2, retry: false },
  insecure_server: { exit: 2, retry: false },
  several_agents: { exit: 2, retry: false },
  other_relay: { exit: 2, retry: false },
  bad_fingerprint: { exit: 2, retry: false },
  bad_line: { exit: 2, retry: false },
  not_registered: { exit: 3, retry: false },
  already_registered: { exit: 1, retry: false },
  relay_unreachable: { exit: 4, retry: true },
  relay_protocol: { exit: 5, retry: false },
  refused: { exit: 5, retry: false },
  pairing_refused: { exit: 5, retry: false },
  message_too_large: { exit: 1, retry: false },
  bad_file: { exit: 1, retry: false },
  file_failed: { exit: 1, retry: false },
  expired: { exit: 1, retry: false },
  failed: { exit: 1, retry: false },
  blocked: { exit: 1, retry: false },
  unknown_contact: { exit: 1, retry: false },
  unknown_group: { exit: 1, retry: false },
  not_a_member: { exit: 1, retry: false },
  not_an_admin: { exit: 1, retry: false },
  unknown_message: { exit: 1, retry: false },
  unknown_line: { exit: 1, retry: false },
  bad_backup: { exit: 1, retry: false },
  wrong_passphrase: { exit: 1, retry: false },
  weak_passphrase: { exit: 2, retry: false },
  home_unwritable: { exit: 1, retry: false },
  disk_full: { exit: 1, retry: true },
  store_busy: { exit: 1, retry: true },
  store_newer: { exit: 1, retry: false },
  store_damaged: { exit: 1, retry: false },
  identity_changed: { exit: 6, retry: false },
  device_changed: { exit: 6, retry: false },
  device_replaced: { exit: 6, retry: false },
  fingerprint_mismatch: { exit: 6, retry: false },
  pairing_stopped: { exit: 6, retry: false },
  timeout: { exit: 7, retry: true },
  aborted: { exit: 130, retry: true },
  closed: { exit: 1, retry: false },
  internal: { exit: 1, retry: false },
} as const satisfies Record<string, { exit: number; retry: boolean }>;

/** The stable word of a local error. */
export type ErrorCode = keyof typeof localErrors;

/** An error of the SDK. `message` is one sentence that says what is wrong, `hint` one that says what to do. */
export class AgentError extends Error {
  override name = "AgentError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Of `refused`: the relay's word. Of `failed`: the reason that the other side or the link gave. */
  readonly reason: string | undefined;
  /** Milliseconds after which to try again, if the relay said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    more: {
      hint?: string | undefined;
      reason?: string | undefined;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.hint = more.hint;
    this.reason = more.reason;
    this.retryAfterMs = more.retryAfterMs;
  }

  /** Whether the same call may succeed later without anything being changed. */
  shouldRetry(): boolean {
    if (this.code !== "refused") return localErrors[this.code].retry;
    return this.reason !== undefined && Object.hasOwn(wireErrors, this.reason)
      ? wireErrors[this.reason as WireReason].retry
      : false;
  }
}
