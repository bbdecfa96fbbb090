/** Names under which files are saved. Those that come with a message are the sender's, who may mean harm. */
import { utf8 } from "../protocol/index.ts";

/** The most bytes of a name, in UTF-8: with what stands around it while the file is a part, it fits 255. */
const MOST_BYTES = 200;
/** An ending that is longer is no extension, and is cut like the rest. */
const LONGEST_EXTENSION = 20;

/**
 * What no name has. `\p{C}` are controls, format characters (those that turn the direction of a text, or join, or are invisible,
 * or are tags), lone surrogates, and what has no meaning that all share; the rest are line ends, what is not shown, and what Windows refuses.
 */
const NEVER = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}<>:"/\\|?*]/gu;

/** Devices of Windows, in each folder, whatever stands behind their first dot. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)/iu;

/**
 * The name under which a file is saved that somebody calls so: a plain one, on any system, that names nothing but a file in
 * the folder in which it is put. Given such a name, it is the same.
 */
export function safeName(given: string): string {
  const last = given.slice(Math.max(given.lastIndexOf("/"), given.lastIndexOf("\\")) + 1);
  const plain = last
    .normalize("NFC")
    .replace(NEVER, "_")
    .replace(/^[\p{Zs}.-]+/u, "");
  const name = cut(withoutEnd(plain), MOST_BYTES) || "file";
  return DEVICE.test(name) ? cut(`_${name}`, MOST_BYTES) : name;
}

/** The `n`th name of files that are called so, from 2: `report (2).pdf`. `name`: of {@link safeName} */
export function numbered(name: string, n: number): string {
  const { stem, extension } = parts(name);
  const number = ` (${n})`;
  return `${withoutEnd(cutStem(stem, MOST_BYTES - utf8(number + extension).length))}${number}${extension}`;
}

/** Names of the same key may be the same file, on systems that do not mind case or how accents are written. */
export function nameKey(name: string): string {
  return name.normalize("NFD").toLowerCase().toUpperCase().normalize("NFC");
}

/** Windows leaves dots and spaces out at the end, and blanks of other kinds are not seen. */
function withoutEnd(name: string): string {
  let end = name.length;
  while (end > 0 && /[\p{Zs}.]/u.test(name[end - 1]!)) end -= 1;
  return name.slice(0, end);
}

/** A name and the extension by which programs know what it is, also of an archive that is compressed. */
function parts(name: string): { stem: string; extension: string } {
  const found = /^(.+?)((?:\.tar)?\.[^. ]+)$/iu.exec(name);
  const [, stem = name, extension = ""] = found ?? [];
  return utf8(extension).length <= LONGEST_EXTENSION ? { stem, extension } : { stem: name, extension: "" };
}

function cut(name: string, bytes: number): string {
  if (utf8(name).length <= bytes) return name;
  const { stem, extension } = parts(name);
  return withoutEnd(cutStem(stem, bytes - utf8(extension).length)) + extension;
}

/** As many whole characters as fit. */
function cutStem(stem: string, bytes: number): string {
  let [kept, length] = ["", 0];
  for (const character of stem) {
    length += utf8(character).length;
    if (length > bytes) break;
    kept += character;
  }
  return kept;
}
