/** What a team is called and who may change it: the value of its GroupContext extension. [P-15.2] */
import { fromUint64, fromUtf8, lengthPrefixed, Username, usernameKey, utf8 } from "../../protocol/index.ts";
import { fieldsOf, textsIn } from "./fields.ts";

export interface TeamSettings {
  /** 16 random bytes that the team keeps for life, also where it is founded anew. */
  key: Uint8Array;
  /** 2 to 32 characters of `a-z0-9_-`. */
  name: string;
  /** In one line, 512 bytes at most. */
  about: string;
  /** The relay's clock, Unix milliseconds. */
  foundedAt: number;
  /** Lower-case usernames in order of rank, the founder first: 1 to 100. */
  admins: readonly string[];
  /** MLS id, in hex, of the group that this one replaces, or "". */
  replaces: string;
}

const CONTEXT = "aimessage group 1";
export const MOST_ADMINS = 100;
const ABOUT_BYTES = 512;

export function encodeSettings(settings: TeamSettings): Uint8Array {
  const { key, name, about, foundedAt, admins, replaces } = settings;
  return lengthPrefixed(CONTEXT, key, name, about, foundedAt, lengthPrefixed(...admins), replaces);
}

/** The settings, or undefined if the bytes are none. */
export function decodeSettings(bytes: Uint8Array): TeamSettings | undefined {
  const [key, name, about, founded, admins, replaces] = fieldsOf(bytes, CONTEXT, 6) ?? [];
  if (!key || !name || !about || !founded || !admins || !replaces) return undefined;
  const [nameText, aboutText, replacesText] = [fromUtf8(name), fromUtf8(about), fromUtf8(replaces)];
  const [foundedAt, adminNames] = [fromUint64(founded), textsIn(admins)];
  if (nameText === undefined || aboutText === undefined || foundedAt === undefined) return undefined;
  if (adminNames === undefined || replacesText === undefined) return undefined;
  const settings = { key, name: nameText, about: aboutText, foundedAt, admins: adminNames, replaces: replacesText };
  return areSettings(settings) ? settings : undefined;
}

/** Whether all of it is within its bounds. */
export function areSettings({ key, name, about, admins, replaces }: TeamSettings): boolean {
  if (key.length !== 16 || !/^[a-z0-9_-]{2,32}$/.test(name)) return false;
  if (!/^\P{Cc}*$/u.test(about) || utf8(about).length > ABOUT_BYTES) return false;
  if (!/^([0-9a-f]{64})?$/.test(replaces)) return false;
  if (admins.length < 1 || admins.length > MOST_ADMINS || new Set(admins).size < admins.length) return false;
  return admins.every((admin) => Username.safeParse(admin).success && admin === usernameKey(admin));
}
