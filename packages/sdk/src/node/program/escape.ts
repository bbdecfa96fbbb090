/**
 * What a terminal would obey or hide: control and format characters (with them everything bidirectional, joiners and tags),
 * what Unicode says may be drawn as nothing (fillers, variation selectors, soft hyphens ...), separators of lines, halves of
 * surrogate pairs, and code points that have no meaning yet. Private use is drawn, as a box at least.
 * (Unicode Standard, sections 4.5 and 5.21; UAX #9)
 */
const UNSAFE = String.raw`[[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--\p{Co}]`;

/** An emoji that people use holds some of these (UTS #51); it is one of a closed list, in which nothing can hide. */
const EMOJI = String.raw`(?=\p{Emoji})(?:\p{RGI_Emoji_ZWJ_Sequence}|\p{RGI_Emoji_Tag_Sequence}|\p{Emoji_Keycap_Sequence}|\p{Basic_Emoji})`;

/** Most text: nothing in it is unsafe. */
const PLAIN = /^[\x20-\x7e]*$/;

/** Made by what needs them first: that takes several milliseconds, which most commands never spend. */
const made = {
  any: once(() => new RegExp(UNSAFE, "v")),
  each: once(() => new RegExp(UNSAFE, "gv")),
  eachOrEmoji: once(() => new RegExp(`(${EMOJI})|${UNSAFE}`, "gv")),
};

function once<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= make());
}

/** A string from outside as one printable line: unsafe characters as `\xNN` or `\u{...}`. Escaping twice is escaping once. */
export function escapeLine(text: string): string {
  if (PLAIN.test(text) || !made.any().test(text)) return text;
  return text.replace(made.eachOrEmoji(), (found, emoji?: string) => emoji ?? visible(found.codePointAt(0) ?? 0));
}

/** A message body for a terminal: newline and tab stay; lines after the first are indented, so none can pose as a new message. */
export function escapeBody(text: string): string {
  return escapeText(text).replaceAll("\n", "\n    ");
}

/** Text of several lines: newline and tab stay, all else that is unsafe is escaped as in a line. */
export function escapeText(text: string): string {
  return text
    .split("\n")
    .map((line) => line.split("\t").map(escapeLine).join("\t"))
    .join("\n");
}

/** One line of JSON in which unsafe characters are written `\uXXXX`, so that no reader can split it by mistake. */
export function escapeJson(value: unknown): string {
  return escapeJsonText(JSON.stringify(value));
}

/** The same for text that is JSON already. */
export function escapeJsonText(json: string): string {
  if (PLAIN.test(json)) return json;
  return json.replace(made.each(), (character) => {
    let escaped = "";
    for (let at = 0; at < character.length; at++)
      escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
    return escaped;
  });
}

function visible(code: number): string {
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
