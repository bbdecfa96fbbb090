import { describe, expect, it } from "vitest";
import { AgentError, type ErrorCode, localErrors } from "../../src/errors.ts";
import { closeCodes, wireErrors, type WireReason } from "../../src/protocol/index.ts";

const reasons = Object.entries(wireErrors) as [WireReason, (typeof wireErrors)[WireReason]][];

describe("the table of wire errors", () => {
  it.each(reasons)("%s has a code, a sentence and a hint", (reason, { code, message, hint, retry }) => {
    expect(reason).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(code).toBeGreaterThanOrEqual(400);
    expect(code).toBeLessThan(600);
    expect(message).toMatch(/^[A-Z].*[^.!]$/);
    expect(hint).toMatch(/^[`a-z].*[^.!]$/);
    expect(retry).toBeTypeOf("boolean");
  });

  it("keeps the original's words and codes", () => {
    const original: Partial<Record<WireReason, [number, string]>> = {
      invalid_frame: [400, "Invalid message format"],
      unknown_type: [400, "Unknown message type"],
      not_authenticated: [401, "Not authenticated"],
      username_length: [400, "Username must be 3-32 characters"],
      username_characters: [400, "Username contains invalid characters"],
      invalid_credentials: [401, "Invalid credentials"],
      invalid_certificate: [400, "Invalid registration data"],
      challenge_invalid: [401, "Challenge expired or invalid"],
      challenge_expired: [401, "Challenge expired"],
      challenge_response: [401, "Invalid challenge response"],
      unreachable_user: [404, "User not found or offline"],
      rate_limited: [429, "Rate limit exceeded"],
    };
    for (const [reason, [code, message]] of Object.entries(original))
      expect(wireErrors[reason as WireReason]).toMatchObject({ code, message });
  });

  it("uses close codes of the standard or of the range for applications", () => {
    for (const code of Object.values(closeCodes)) expect(code < 1012 || (code >= 4000 && code < 5000)).toBe(true);
    expect(new Set(Object.values(closeCodes)).size).toBe(Object.keys(closeCodes).length);
  });
});

describe("the table of local errors", () => {
  it("gives each code an exit code of the command line", () => {
    for (const { exit } of Object.values(localErrors)) expect([1, 2, 3, 4, 5, 6, 7, 130]).toContain(exit);
    const stops: ErrorCode[] = ["identity_changed", "device_changed", "device_replaced", "fingerprint_mismatch"];
    for (const code of stops) expect(localErrors[code]).toEqual({ exit: 6, retry: false });
    expect(localErrors.timeout.exit).toBe(7);
    expect(localErrors.not_registered.exit).toBe(3);
    expect(localErrors.relay_unreachable.exit).toBe(4);
    expect(localErrors.refused.exit).toBe(5);
  });

  it("an error knows whether to try again, a refusal by the relay's word", () => {
    expect(new AgentError("timeout", "late").shouldRetry()).toBe(true);
    expect(new AgentError("identity_changed", "other").shouldRetry()).toBe(false);
    for (const [reason, { retry }] of reasons)
      expect(new AgentError("refused", "no", { reason }).shouldRetry()).toBe(retry);
    for (const reason of [undefined, "teapot", "constructor", "__proto__"])
      expect(new AgentError("refused", "no", { reason }).shouldRetry()).toBe(false);
  });
});
