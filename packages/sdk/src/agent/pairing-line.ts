import { parseFingerprint } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import { Invite, isLoopback, relayName, Username } from "../protocol/index.ts";

/** A line by which one agent finds another: a card, which is public, or with a code a pairing line, which is a secret. [P-9.15] */
export interface PairingLine {
  /** As its owner spells it. */
  username: string;
  /** The relay's name: its host, with its port where that is not the scheme's own. */
  relay: string;
  /** 52 characters. */
  fingerprint: string;
  /** Pairs whoever shows it, once. */
  code?: string;
  /** Lets the other side register at the relay. */
  invite?: string;
}

const HOST = "[A-Za-z0-9.-]+(?::\\d{1,5})?";
const SHAPE = new RegExp(`^aimessage:([\\w-]{3,32})@(${HOST})#([A-Z2-7]{52})(?:/([A-Z2-7]{26})(?:/([^/]+))?)?$`, "i");

/** @throws AgentError bad_line */
export function readPairingLine(text: string): PairingLine {
  // As terminals and mail wrap it.
  const [, username = "", relay = "", typed = "", code, invite] = SHAPE.exec(text.replace(/\s/g, "")) ?? [];
  const fingerprint = parseFingerprint(typed);
  const isWhole = Username.safeParse(username).success && (invite === undefined || Invite.safeParse(invite).success);
  if (fingerprint === undefined || !isWhole || !URL.canParse(`wss://${relay}/`))
    throw new AgentError("bad_line", "this is no line of an agent", {
      hint: "it is written as `aimessage pair` or `aimessage whoami` prints it: aimessage:NAME@HOST#FINGERPRINT and what follows",
    });
  return {
    username,
    relay: relay.toLowerCase(),
    fingerprint,
    ...(code === undefined ? {} : { code: code.toUpperCase() }),
    ...(invite === undefined ? {} : { invite }),
  };
}

export function formatPairingLine({ username, relay, fingerprint, code, invite }: PairingLine): string {
  const card = `aimessage:${username}@${relay}#${fingerprint}`;
  return [card, code, invite].filter((part) => part !== undefined).join("/");
}

/** The URL of the relay of a line: wss, but for this machine. `insecure`: ws, wherever it is. */
export function serverOfLine({ relay }: PairingLine, insecure = false): string {
  const { hostname } = new URL(`wss://${relay}/`);
  return `${insecure || isLoopback(hostname) ? "ws" : "wss"}://${relay}/ws`;
}

/** How a line names the relay of a URL; undefined if it cannot: a line has no brackets, and no paths. */
export function relayInLine(server: string): string | undefined {
  const url = new URL(server);
  const name = relayName(url);
  return new RegExp(`^${HOST}$`).test(name) && url.pathname === "/ws" ? name : undefined;
}
