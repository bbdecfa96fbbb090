/**
 * What a terminal would obey or hide: control and format characters (with them everything bidirectional, joiners and tags),
 * what Unicode says may be drawn as nothing (fillers, variation selectors, soft hyphens ...), separators of lines, halves of
 * surrogate pairs, and code points that have no meaning yet. Private use is drawn, as a box at least.
 * (Unicode Standard, sections 4.5 and 5.21; UAX #9)
 */
const UNSAFE = String.raw`[[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--\p{Co}]`;

/** An emoji that people use holds some of these (UTS #51); it is one of a closed list, in which nothing can hide. */
const EMOJI = String.raw`\p{RGI_Emoji_ZWJ_Sequence}|\p{RGI_Emoji_Tag_Sequence}|\p{Emoji_Keycap_Sequence}|\p{Extended_Pictographic}\ufe0f`;

const ANY_UNSAFE = new RegExp(UNSAFE, "v");
const EACH_UNSAFE = new RegExp(UNSAFE, "gv");
const EACH_EMOJI_OR_UNSAFE = new RegExp(`(${EMOJI})|${UNSAFE}`, "gv");

/** A string from outside as one printable line: unsafe characters as `\xNN` or `\u{...}`. Escaping twice is escaping once. */
export function escapeLine(text: string): string {
  if (!ANY_UNSAFE.test(text)) return text;
  return text.replace(EACH_EMOJI_OR_UNSAFE, (found, emoji?: string) => emoji ?? visible(found.codePointAt(0) ?? 0));
}

/** A message body for a terminal: newline and tab stay; lines after the first are indented, so none can pose as a new message. */
export function escapeBody(text: string): string {
  return text
    .split("\n")
    .map((line) => line.split("\t").map(escapeLine).join("\t"))
    .join("\n    ");
}

/** One line of JSON in which unsafe characters are written `\uXXXX`, so that no reader can split it by mistake. */
export function escapeJson(value: unknown): string {
  return escapeJsonText(JSON.stringify(value));
}

/** The same for text that is JSON already. */
export function escapeJsonText(json: string): string {
  return json.replace(EACH_UNSAFE, (character) => {
    let escaped = "";
    for (let at = 0; at < character.length; at++)
      escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
    return escaped;
  });
}

function visible(code: number): string {
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
