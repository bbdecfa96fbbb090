/** What a run shows, and what of it should not be. */
import { median } from "../shared/percentiles.ts";
import type { Options } from "./options.ts";
import type { Outcomes } from "./run.ts";

/** Receipts that may reach a sender in a second, on the mean of ten: what comes together is late, and not more. */
const MOST_A_SECOND = 100;
const SECONDS = 10;
/** A mailbox that is full may make nothing slower than what one run differs from the next by. */
const SLOWER = 3;

export interface Figures {
  members: number;
  messages: number;
  /** Receipts at one sender: all, in the worst second, and in the worst ten a second. */
  receipts: { sender: string; all: number; peak: number; mean: number }[];
  handled: { exact: number; all: number };
  stored: Outcomes["stored"];
  lapsed: number;
  /** Medians in milliseconds, before and after a mailbox was full. */
  latencies: { stored: [number, number]; handled: [number, number] };
  back_s: number;
  seconds: number;
}

export function judge(options: Options, run: Outcomes): { figures: Figures; wrong: string[] } {
  const others = options.members - 1;
  const exact = run.outcomes.filter(({ state, handled }) => state === "handled" && handled === others);
  const middle = (of: "stored" | "handled"): [number, number] => [
    Math.round(median(run.first.map((times) => times[of]))),
    Math.round(median(run.second.map((times) => times[of]))),
  ];
  const receipts = [...run.directs].map(([sender, seconds]) => paceOf(sender, seconds));
  const figures: Figures = {
    members: options.members,
    messages: options.messages,
    receipts,
    handled: { exact: exact.length, all: [...run.handled.values()].reduce((sum, count) => sum + count, 0) },
    stored: run.stored,
    lapsed: run.lapsed,
    latencies: { stored: middle("stored"), handled: middle("handled") },
    back_s: Math.round(run.back / 1_000),
    seconds: run.seconds,
  };
  return { figures, wrong: [...wrongIn(figures), ...run.doubled.map((text) => `given twice: ${text}`)] };
}

function wrongIn({ members, messages, receipts, handled, stored, lapsed, latencies }: Figures): string[] {
  const half = Math.floor(messages / 2);
  const { stored: times } = latencies;
  return [
    ...receipts.flatMap(({ sender, mean }) =>
      mean > MOST_A_SECOND ? [`${sender} had ${mean} receipts a second for ${SECONDS} s`] : [],
    ),
    ...(handled.exact === messages ? [] : [`${messages - handled.exact} messages are not handled by all others`]),
    ...(handled.all === messages * (members - 1) ? [] : [`members have handled ${handled.all} messages between them`]),
    ...(stored.messages === half && stored.bodies === half && stored.rows === half && stored.unused === 0
      ? []
      : [`the relay has not one body for each of ${half} messages: ${JSON.stringify(stored)}`]),
    ...(lapsed === 1 ? [] : [`${lapsed} mailboxes were full, and not one`]),
    ...(times[1] > SLOWER * times[0] ? [`a full mailbox delays the others: ${times.join(" and ")} ms`] : []),
  ];
}

function paceOf(sender: string, seconds: Map<number, number>): Figures["receipts"][number] {
  const all = [...seconds.values()].reduce((sum, count) => sum + count, 0);
  const from = [...seconds.keys()];
  const within = (second: number) => from.filter((one) => one >= second && one < second + SECONDS);
  const sums = from.map((second) => within(second).reduce((sum, one) => sum + seconds.get(one)!, 0));
  return { sender, all, peak: Math.max(0, ...seconds.values()), mean: Math.round(Math.max(0, ...sums) / SECONDS) };
}
