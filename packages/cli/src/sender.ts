import type { Context } from "./context.ts";

/** Variables that tell of a program in between: our own, of commands that handle messages, and those that assistants set in their shells. */
const PROGRAMS = ["AIMESSAGE_ID", "CLAUDECODE", "CODEX_SANDBOX", "CODEX_THREAD_ID", "GEMINI_CLI", "CURSOR_AGENT"];

/** Whether a person types at a terminal. An assistant's shell may be one, too: as far as that says so it is none. */
export function isByPerson(context: Context): boolean {
  return context.stdin.isTTY === true && !isByProgram(context);
}

/** Whether this is known to run for an assistant, or for a message. */
export function isByProgram({ env }: Context): boolean {
  return PROGRAMS.some((name) => env[name] !== undefined);
}

/** Whose word a message is, for the guards against loops and for consent, and for its recipient: no door of programs calls this. [P-9.19] */
export function senderOf(context: Context): { byPerson?: true } {
  return isByPerson(context) ? { byPerson: true } : {};
}
