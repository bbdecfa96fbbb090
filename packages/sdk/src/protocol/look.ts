/** A frame as a look at its text shows it, before it is parsed. Fields that are missing, or are no short texts, are undefined. */
export interface Look {
  length: number;
  /** How deep objects and arrays are nested in each other. */
  depth: number;
  /** Fields, elements, objects and arrays, together: what parsing and checking the text costs. */
  items: number;
  type: string | undefined;
  id: string | undefined;
  reply_to: string | undefined;
  /** Of `data`. */
  group_id: string | undefined;
  message_id: string | undefined;
  commit_id: string | undefined;
}

type Found = Exclude<keyof Look, "length" | "depth" | "items">;

/** The fields that are looked for: those of the frame itself, and those of its `data`. */
const OUTER: ReadonlySet<string> = new Set<Found>(["type", "id", "reply_to"]);
const INNER: ReadonlySet<string> = new Set<Found>(["group_id", "message_id", "commit_id"]);
const NONE: ReadonlySet<string> = new Set();
const LONGEST_NAME = 10;
/** A longer text is no id and no type. Each of its characters may be written with an escape, in six. */
export const LONGEST_ID = 128;

/** A text of which what is found in it may keep the whole. */
const SHORT = 2 ** 10;

/** So much of a string is read before a search for its end pays. */
const NEAR = 24;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_ARRAY = 91;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/**
 * Looks at the text of a frame once, without making anything of it: a hundred times as cheap as parsing where it is
 * hostile, and next to nothing where it is one long string, which is skipped. The text may be no JSON; what is found is right if it
 * is, but for field names that are written with escapes, which are not found.
 */
export function lookAt(text: string): Look {
  const look: Look = {
    length: text.length,
    depth: 0,
    items: 0,
    type: undefined,
    id: undefined,
    reply_to: undefined,
    group_id: undefined,
    message_id: undefined,
    commit_id: undefined,
  };
  let depth = 0;
  let items = 0;
  /** The last string, with its quotes, and the name that stands before a value. */
  let start = 0;
  let end = 0;
  let name = "";
  let inData = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        start = at;
        at = closingQuote(text, at);
        if (at < 0) at = text.length;
        end = at + 1;
        if (name !== "" && end <= text.length) {
          note(look, name, text, { start, end });
          name = "";
        }
        break;
      }
      case COLON: {
        if (depth > 2) break;
        const known = depth === 1 ? OUTER : inData ? INNER : NONE;
        const given = end - start > LONGEST_NAME + 2 ? "" : text.slice(start + 1, end - 1);
        if (depth === 1) inData = given === "data";
        name = known.has(given) ? given : "";
        // Of several values the last one counts, as it does when the text is parsed.
        if (name !== "") look[name as Found] = undefined;
        break;
      }
      case OPEN_ARRAY:
      case OPEN_OBJECT: {
        depth += 1;
        items += 1;
        name = "";
        if (depth > look.depth) look.depth = depth;
        break;
      }
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COMMA:
        items += 1;
        name = "";
        break;
      default:
    }
  }
  look.items = items;
  return look;
}

/** Where the string ends that begins at `at`; -1 if it does not. Short ones are read, long ones are searched for their end. */
function closingQuote(text: string, at: number): number {
  for (let next = at + 1; ;) {
    const near = Math.min(next + NEAR, text.length);
    while (next < near) {
      const code = text.charCodeAt(next);
      if (code === QUOTE) return next;
      next += code === BACKSLASH ? 2 : 1;
    }
    const quote = text.indexOf('"', next);
    if (quote < 0) return -1;
    let before = quote;
    while (before > next && text.charCodeAt(before - 1) === BACKSLASH) before -= 1;
    if ((quote - before) % 2 === 0) return quote;
    next = quote + 1;
  }
}

function note(look: Look, name: string, text: string, { start, end }: { start: number; end: number }): void {
  if (end - start > 6 * LONGEST_ID + 2) return;
  const written = text.slice(start, end);
  // A slice would keep all of the text for as long as what was found is kept.
  const found = text.length > SHORT || written.includes("\\") ? unescaped(written) : written.slice(1, -1);
  if (found !== undefined && found.length <= LONGEST_ID) look[name as Found] = found;
}

function unescaped(written: string): string | undefined {
  try {
    return JSON.parse(written) as string;
  } catch {
    return undefined;
  }
}
