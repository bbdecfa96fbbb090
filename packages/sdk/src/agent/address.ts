import { parseFingerprint } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import { Username, usernameKey } from "../protocol/index.ts";
import { check } from "./arguments.ts";

/**
 * Reads `NAME` or `NAME#FINGERPRINT`. The name comes back in lower case.
 * @throws AgentError bad_username, bad_fingerprint
 */
export function parseAddress(address: string): { username: string; fingerprint: string | undefined } {
  check("text", { text: address }, "name");
  const [name = "", ...rest] = address.split("#");
  if (!Username.safeParse(name).success)
    throw new AgentError("bad_username", `"${name}" is no username`, {
      hint: "3 to 32 of A-Z, a-z, 0-9, dash and underscore",
    });
  if (rest.length === 0) return { username: usernameKey(name), fingerprint: undefined };
  const parsed = parseFingerprint(rest.join("#"));
  if (parsed === undefined)
    throw new AgentError("bad_fingerprint", "the fingerprint is not complete", {
      hint: "52 letters and digits, as `aimessage whoami` shows them",
    });
  return { username: usernameKey(name), fingerprint: parsed };
}

/**
 * Reads a name to which no fingerprint belongs: it would not be compared. In lower case.
 * @throws AgentError bad_username
 */
export function parseName(name: string): string {
  const { username, fingerprint } = parseAddress(name);
  if (fingerprint === undefined) return username;
  throw new AgentError("bad_username", `"${name}" is no username`, {
    hint: "give the name alone; aimessage verify NAME FINGERPRINT compares",
  });
}
