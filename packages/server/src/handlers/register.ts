import { createHash, randomBytes } from "node:crypto";
import {
  type ClientFrameData,
  equal,
  fromBase64,
  readCertificate,
  registrationBytes,
  Username,
  usernameKey,
} from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { namesHint } from "../config/names.ts";
import { type Answer, refuse, refused, type Session } from "./session.ts";
import { verifySignature } from "./signatures.ts";
import type { Admission, NewDevice, Refused, RelayStore } from "../store/store.ts";
import { takesTokenAccounts } from "../config/token-accounts.ts";
import { randomToken } from "./token-keys.ts";
import { invalidData } from "./invalid-data.ts";

const RESERVED =
  "this name was unregistered and stays reserved: ask the relay's operator (aimessage-server user remove NAME --release), or choose another";

/** An attempt with an invite that is not good, or with none, counts as so many registrations of its address more. */
const FAILED = 9;

type Data = ClientFrameData<"register">;

/** [P-3.2], [P-3.3], [P-3.8] */
export async function register(context: Context, session: Session, data: Data): Promise<Answer> {
  const { username } = data;
  const isToken = data.identity_key === undefined;
  if (username.length < 3 || username.length > 32) return refuse("username_length");
  if (!Username.safeParse(username).success) return refuse("username_characters");
  if (isToken && !takesTokenAccounts(context.config)) return refuse("token_accounts_off");
  const retryAfterMs = context.rates.registrations.take(session.address);
  if (retryAfterMs > 0) return refuse("rate_limited", { retry_after_ms: retryAfterMs });
  const answer = isToken
    ? await registerToken(context, data, session.address)
    : await registerDevice(context, data, session.address);
  const reason = answer.type === "error" ? answer.data.reason : undefined;
  if (reason === "invite_invalid" || reason === "invite_required")
    context.rates.registrations.owe(session.address, FAILED);
  return answer;
}

/** The operator's word on new names, and the invite that this frame shows. */
function admissionOf({ config: { registration } }: Context, { invite }: Data): Admission {
  if (registration !== "invite") return registration;
  return { invite: invite === undefined ? undefined : createHash("sha256").update(invite).digest("hex") };
}

async function registerToken(context: Context, data: Data, address: string): Promise<Answer> {
  const { store, tokenKeys, log } = context;
  const { username } = data;
  const admission = admissionOf(context, data);
  // A refusal must not cost a derivation.
  const objection = await store.objection(admission);
  if (objection !== undefined) return refused(objection);
  if ((await store.account(username)) !== undefined) return taken(store, { refused: "username_taken" }, username);
  const token = randomToken();
  const salt = randomBytes(16);
  const result = await store.registerToken(username, await tokenKeys.derive(token, salt), address, admission);
  if ("refused" in result) return taken(store, result, username);
  log.info({ user: username, kind: "token" }, "registered");
  return { type: "registered", data: { username, token, salt: salt.toString("base64") } };
}

async function registerDevice(context: Context, data: Data, address: string): Promise<Answer> {
  const { store, log, names } = context;
  if (data.relay === undefined) return invalidData("register");
  if (!names.includes(data.relay)) return refuse("wrong_relay_name", { hint: namesHint(names) });
  const device = await readDevice(data, address);
  if (device === undefined) return refuse("invalid_certificate");
  const result = await store.registerDevice(device, admissionOf(context, data));
  if ("refused" in result) return taken(store, result, data.username);
  const { account, replaced } = result;
  if (replaced !== undefined) {
    log.info({ user: account.username, device: account.device.id }, "device replaced");
    context.evict({ mailbox: replaced, username: account.username }, "replaced");
    context.sweepSoon();
  } else log.info({ user: account.username, kind: "key", device: account.device.id }, "registered");
  return { type: "registered", data: { username: account.username, device: account.device.id } };
}

/** The frame's device, if the identity key certifies it and the device key has signed the frame. */
async function readDevice(data: Data, address: string): Promise<NewDevice | undefined> {
  const { username, identity_key, device, key_packages, last_resort, relay, signature } = data;
  if (
    identity_key === undefined ||
    device === undefined ||
    last_resort === undefined ||
    relay === undefined ||
    signature === undefined
  )
    return undefined;
  const identityKey = fromBase64(identity_key);
  const key = fromBase64(device.key);
  const certificateBytes = fromBase64(device.certificate);
  const keyPackages = (key_packages ?? []).map(fromBase64);
  const lastResort = fromBase64(last_resort);
  const certificate = await readCertificate(certificateBytes, async (...signed) => verifySignature(...signed));
  if (
    certificate === undefined ||
    !equal(certificate.identityKey, identityKey) ||
    !equal(certificate.deviceKey, key) ||
    certificate.username !== usernameKey(username) ||
    certificate.deviceId !== device.id
  )
    return undefined;
  const signed = registrationBytes({
    relay,
    username,
    identityKey,
    device: device.id,
    certificate: certificateBytes,
    keyPackages,
    lastResort,
  });
  if (!verifySignature(key, signed, fromBase64(signature))) return undefined;
  return {
    username,
    identityKey,
    device: { id: device.id, key, certificate: certificateBytes, counter: certificate.counter },
    keyPackages,
    lastResort,
    address,
  };
}

async function taken(store: RelayStore, decision: Refused, username: string): Promise<Answer> {
  if (decision.refused !== "username_taken") return refused(decision);
  const message = `Registration failed: user ${username} already exists`;
  const reserved = (await store.account(username))?.kind === "removed";
  return refuse("username_taken", { message, ...(reserved ? { hint: RESERVED } : {}) });
}
