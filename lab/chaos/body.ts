/** What a message's body tells its handler. */
export interface Task {
  workMs: number;
  /** The handler fails, for this reason. */
  fails?: string;
}

export function writeBody({ workMs, fails }: Task, filler: number): string {
  return JSON.stringify({ workMs, ...(fails === undefined ? {} : { fails }), filler: "x".repeat(filler) });
}

export function readBody(body: string): Task {
  return JSON.parse(body) as Task;
}
