import { type ClientFrameData, fromBase64, loginBytes, toBase64 } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { namesHint } from "../config/names.ts";
import { ack, type Answer, type Challenge, refuse, refused, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";
import { startPush } from "./listen.ts";
import { verifySignature } from "./signatures.ts";
import type { KeyAccount, TokenAccount } from "../store/store.ts";
import { takesTokenAccounts } from "../config/token-accounts.ts";
import { answersChallenge, randomToken } from "./token-keys.ts";
import { invalidData } from "./invalid-data.ts";

type Data = ClientFrameData<"authenticate">;

const CHALLENGE_LIFETIME_MS = 60_000;

/** [P-4] */
export async function authenticate(context: Context, session: Session, data: Data): Promise<Answer> {
  const account = await context.store.account(data.username);
  if (account === undefined || account.kind === "removed") return refuse("invalid_credentials");
  if (session.login !== undefined && session.login.name !== account.name) return refuse("already_authenticated");
  if (account.disabled) return refuse("account_disabled");
  if (account.kind === "token") return authenticateToken(context, session, account, data);
  return authenticateDevice(context, session, account, data);
}

async function authenticateToken(
  context: Context,
  session: Session,
  account: TokenAccount,
  data: Data,
): Promise<Answer> {
  // Also of an account that exists: what waits for it stays.
  if (!takesTokenAccounts(context.config)) return refuse("token_accounts_off");
  if (data.device !== undefined) return refuse("invalid_credentials");
  if (data.challenge === undefined || data.challenge === "")
    return challenge(context, session, account.name, undefined);
  const pending = takeChallenge(session, account.name, undefined);
  if (typeof pending === "string") return refuse(pending);
  if (!answersChallenge(data.challenge, pending.challenge, account.derivedKey)) return refuse("challenge_response");
  if (session.login === undefined) {
    const { name, username, mailbox } = account;
    context.store.entered(mailbox);
    enter(context, session, { kind: "token", name, username, mailbox, device: undefined });
  }
  const { login, delivery } = session;
  // Also at a second attempt, after the store was away at the first one. What has waited comes before the answer, as in the original. [P-5.4]
  if (login !== undefined && delivery === undefined)
    await startPush(context, session, login, await context.store.listen(login.mailbox));
  return ack({ status: "authenticated" });
}

async function authenticateDevice(
  context: Context,
  session: Session,
  account: KeyAccount,
  data: Data,
): Promise<Answer> {
  if (data.device === undefined) return refuse("invalid_credentials");
  if (data.relay === undefined) return invalidData("authenticate");
  if (!context.names.includes(data.relay)) return refuse("wrong_relay_name", { hint: namesHint(context.names) });
  if (data.device !== account.device.id) {
    const known = await context.store.device(account.name, data.device);
    if (known === undefined) return refuse("invalid_credentials");
    // The newer certificate, signed by the agent's own identity, is the proof of it.
    return refuse("device_replaced", { certificate: toBase64(account.device.certificate) });
  }
  if (data.signature === undefined) return challenge(context, session, account.name, data.device);
  if (data.counter === undefined) return invalidData("authenticate");
  const pending = takeChallenge(session, account.name, data.device);
  if (typeof pending === "string") return refuse(pending);
  const signed = loginBytes({
    relay: data.relay,
    username: account.name,
    device: data.device,
    counter: data.counter,
    challenge: pending.challenge,
  });
  // The signature first: a stranger must neither learn nor move a counter.
  if (!verifySignature(account.device.key, signed, fromBase64(data.signature))) return refuse("challenge_response");
  const decision = await context.store.login(account.mailbox, data.counter);
  if (decision !== undefined) return refused(decision);
  if (session.login === undefined) {
    const { name, username, mailbox } = account;
    enter(context, session, { kind: "key", name, username, mailbox, device: data.device });
  }
  return ack({ status: "authenticated" });
}

function enter({ hub, strangers, log }: Context, session: Session, login: Login): void {
  session.login = login;
  strangers.hold(session, 0);
  hub.join(session);
  log.info({ user: login.username, kind: login.kind }, "authenticated");
}

/** A new challenge replaces what was pending on this connection, and on no other. [P-4.1] */
function challenge(context: Context, session: Session, name: string, device: string | undefined): Answer {
  const text = randomToken();
  session.challenge = { name, device, challenge: text, expiresAt: performance.now() + CHALLENGE_LIFETIME_MS };
  const time = context.clock();
  return { type: "challenge", data: { challenge: text, timestamp: Math.floor(time / 1000), time } };
}

function takeChallenge(
  session: Session,
  name: string,
  device: string | undefined,
): Challenge | "challenge_invalid" | "challenge_expired" {
  const pending = session.challenge;
  session.challenge = undefined;
  if (pending?.name !== name || pending.device !== device) return "challenge_invalid";
  return performance.now() < pending.expiresAt ? pending : "challenge_expired";
}
