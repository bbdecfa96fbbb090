/** Who takes part, and what each message is. It follows from the message's number, so that all minutes have the same. */
import type { Letter } from "../shared/letter.ts";

export const AWAKE = ["awake-1", "awake-2", "awake-3", "awake-4"];
/** Agents that are closed half of the time. */
export const SLEEPY = ["sleepy-1", "sleepy-2"];
/** An agent that lives in processes of the command line, one for each message. */
export const VISITOR = "visitor";

/** Messages of each agent to each of the others, in turns. Milliseconds from one to the next. */
export const EVERY_MS = 125;
/** Milliseconds awake, and as many asleep. A minute holds whole rounds, so that minutes can be compared. */
export const NAP_MS = 10_000;
export const VISIT_MS = 5_000;
/** How often each agent that is awake asks who is there. */
export const PRESENCE_MS = 1_000;

const SMALL = 200;
const MIDDLE = 4 * 1024;
const LARGE = 100 * 1024;
/** Shorter than a nap: of these some never arrive. */
const EXPIRES_MS = 3_000;

/** First letters of bodies, which tell the handler whether it fails the first time. */
export const FAILS = "f";
const OK = "-";

/** The message with this number, from 0, of an agent. */
export function letterOf(from: string, number: number): Letter {
  const others = [...AWAKE, ...SLEEPY].filter((name) => name !== from);
  const round = Math.floor(number / others.length);
  // Each recipient gets all kinds.
  const size = round % 25 === 7 ? LARGE : round % 10 === 3 ? MIDDLE : SMALL;
  const to = others[number % others.length] as string;
  return {
    id: `${from}-${number}`,
    to,
    body: (round % 20 === 5 ? FAILS : OK).padEnd(size, "x"),
    ...(round % 10 === 8 && SLEEPY.includes(to) ? { expiresIn: EXPIRES_MS } : {}),
  };
}

/** Whether its latency is that of the product: nobody sleeps or fails on its way. */
export function isTimed({ to, body }: Letter): boolean {
  return AWAKE.includes(to) && !body.startsWith(FAILS);
}
