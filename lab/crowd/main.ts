import { endProgress, main, progress } from "../shared/command-line.ts";
import { ownFolder } from "../shared/own-folder.ts";
import { type Figures, judge } from "./judge.ts";
import { readOptions, usage } from "./options.ts";
import { run } from "./run.ts";

/** Longer than a thousand messages to four hundred take on a slow machine. */
const AT_MOST_MS = 12 * 3_600_000;

await main(usage, async (args) => {
  const options = readOptions(args);
  const folder = ownFolder("crowd", AT_MOST_MS);
  const { figures, wrong } = judge(options, await run(options, folder.path, progress));
  endProgress();
  const ok = wrong.length === 0;
  process.stdout.write(options.json ? `${JSON.stringify({ ok, ...figures, wrong }, null, 2)}\n` : asText(figures));
  for (const text of options.json ? [] : wrong.slice(0, 10)) process.stdout.write(`violation: ${text}\n`);
  if (ok) return;
  folder.keep();
  process.stderr.write(`the stores of all are in ${folder.path}\n`);
  process.exitCode = 1;
});

function beside([before, after]: [number, number]): string {
  return `${before} ms, with one mailbox full ${after} ms`;
}

function asText({ members, messages, receipts, handled, stored, latencies, back_s, seconds }: Figures): string {
  return `${[
    `${messages} messages to a group of ${members}, ${seconds} s`,
    `handled by all others: ${handled.exact} messages, ${handled.all} times in all`,
    ...receipts.map(
      ({ sender, all, peak, mean }) =>
        `receipts at ${sender}: ${all}; ${peak} in the worst second, ${mean} a second in the worst ten`,
    ),
    `on the relay's disk: ${stored.bodies} bodies of ${stored.messages} messages`,
    `stored in ${beside(latencies.stored)}; handled by all who listen in ${beside(latencies.handled)}`,
    `whose mailbox was full is back, and has handled all, after ${back_s} s`,
  ].join("\n")}\n`;
}
