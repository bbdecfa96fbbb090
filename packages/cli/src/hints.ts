/** Commands in hints, as they have to be typed here: hints are written for one agent in the usual home. */
import type { Output } from "@aimessage/sdk/program";
import type { Context } from "./context.ts";
import { shellLine } from "./install/program-words.ts";
import type { Settings } from "./settings.ts";

/** How this command was called, as far as the next one has to be called so, too. */
export interface Typed {
  npx: boolean;
  username: string | undefined;
  home: string | undefined;
}

/** A command in a text, up to its name; in backticks one is spoken of, such as that of the other side. */
const COMMAND = /(?<![`\w.:/-])aimessage (?=(-u \S+ )?([a-z]+)\b([^;`()]*))/g;

/** The text with the flags that its commands need, behind the word `aimessage`. */
export function completed(text: string, { npx, username, home }: Typed, isCommand: (word: string) => boolean): string {
  return text.replaceAll(COMMAND, (found: string, named: string | undefined, command: string, rest: string) => {
    if (!isCommand(command)) return found;
    const isNamed = named !== undefined || / (-u|--username) /.test(rest);
    const flags = [
      ...(username === undefined || isNamed ? [] : ["-u", username]),
      ...(home === undefined ? [] : ["--home", home]),
    ];
    return `${npx ? "npx " : ""}${found}${flags.length === 0 ? "" : `${shellLine(flags)} `}`;
  });
}

/** What was typed: an agent that was named by a variable needs its flag where others are beside it, in whatever shell the next command is. */
export async function typedOf(
  flags: Readonly<Record<string, unknown>>,
  { username, home }: Settings,
  { env }: Context,
): Promise<Typed> {
  const isToName = username !== undefined && (flags["username"] !== undefined || (await hasSeveral(home)));
  return {
    npx: env["npm_command"] === "exec" && /^'?aimessage\b/.test(env["npm_lifecycle_script"] ?? ""),
    username: isToName ? username : undefined,
    home: flags["home"] === undefined ? undefined : home,
  };
}

async function hasSeveral(home: string | undefined): Promise<boolean> {
  const { agentFolders } = await import("@aimessage/sdk/glance");
  return agentFolders(home).length > 1;
}

/** An output whose hints can be typed as they stand. */
export function withHints(out: Output, typed: Typed, isCommand: (word: string) => boolean): Output {
  const complete = (text: string): string => completed(text, typed, isCommand);
  return {
    ...out,
    note: (text) => out.note(complete(text)),
    warn: (text) => out.warn(complete(text)),
    fail: (message, hint, value) => {
      const whole = typeof hint === "object" ? hint.map(complete) : hint === undefined ? undefined : complete(hint);
      const inLine = (value as { hint?: unknown } | null | undefined)?.hint;
      out.fail(message, whole, typeof inLine === "string" ? { ...(value as object), hint: complete(inLine) } : value);
    },
  };
}
