/** Lines that somebody waits for, on either side: of each it is told how it has ended. */
import type { Agent, AgentError, OwnLine, Taken } from "@aimessage/sdk/node";
import type { Output } from "@aimessage/sdk/program";
import { isAgentError, UsageError } from "../errors.ts";

/** Of these the owner does not know yet how they have ended. */
export function isToTell({ state, heard }: OwnLine): boolean {
  return ["open", "asked"].includes(state) || (["paired", "refused"].includes(state) && !heard);
}

export interface Ended {
  line: OwnLine | Taken;
  /** Says how, or throws it. */
  tell: () => Promise<void>;
}

export function ended<T>(line: OwnLine | Taken, end: Promise<T>, tell: (end: T) => Promise<void>): Promise<Ended> {
  return end.then(
    (value) => ({ line, tell: () => tell(value) }),
    (error: unknown) => ({ line, tell: () => Promise.reject(error) }),
  );
}

/** One failure does not hide what has become of the others. @throws the worst of them */
export async function tellAll(out: Output, agent: Agent, going: Map<object, Promise<Ended>>): Promise<void> {
  const failures: { error: AgentError | UsageError; username: string | undefined }[] = [];
  while (going.size > 0 && failures.every(({ error }) => !isAborted(error))) {
    const { line, tell } = await Promise.race(going.values());
    going.delete(line);
    await tell().catch((error: unknown) => {
      if (!isAgentError(error) && !(error instanceof UsageError)) throw error;
      failures.push({ error, username: "username" in line ? line.username : undefined });
    });
  }
  const left: Error[] = [];
  for (const { error, username } of failures) {
    const isOver = username !== undefined && (await agent.contact(username))?.verified === true;
    if (isOver) out.note(`Another line of ${username}'s, which is verified now: ${error.message}`);
    else left.push(error);
  }
  const worst = left.find(isAborted) ?? left.find(isStop) ?? left[0];
  for (const error of left) if (error !== worst) out.warn(error.message);
  if (worst !== undefined) throw worst;
}

export function isAborted(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || (isAgentError(error) && error.code === "aborted"));
}

function isStop(error: Error): boolean {
  return isAgentError(error) && error.code === "pairing_stopped";
}
