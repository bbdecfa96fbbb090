/** Explores all states of small groups over the code that decides. Ends with 1, and a shortest way there, if one is as it must not be. */
import { endProgress, main, parse, progress, UsageError, whole } from "../shared/command-line.ts";
import { summary, violationIn } from "./report.ts";
import { mistakes, rulesWith } from "./rules.ts";
import { search } from "./search.ts";
import { SIZES, worlds } from "./worlds.ts";

const usage = `npm run model -- [--size ${SIZES.join("|")}] [--world WORDS] [--most STATES] [--mistake ${mistakes.join("|")}]`;

await main(usage, async (args) => {
  const {
    world: words,
    mistake,
    ...given
  } = parse(args, {
    size: { type: "string", default: "full" },
    world: { type: "string", default: "" },
    most: { type: "string", default: "20000000" },
    mistake: { type: "string" },
  });
  if (mistake !== undefined && !mistakes.includes(mistake)) throw new UsageError("there is no such mistake");
  const size = SIZES.find((one) => one === given.size);
  if (size === undefined) throw new UsageError("there is no such size");
  const most = whole("most", given.most, { least: 1 });
  for (const world of worlds(size).filter(({ name }) => name.includes(words))) {
    const begun = process.cpuUsage();
    const onDepth = (depth: number, states: number) => progress(`${world.name}: depth ${depth}, ${states} states`);
    const found = search(world, rulesWith(mistake), { most, onDepth });
    endProgress();
    const { user, system } = process.cpuUsage(begun);
    const seconds = ((user + system) / 1e6).toFixed(1);
    process.stdout.write(`${summary(world, found)}; ${seconds} s of CPU\n${violationIn(found)}`);
    process.exitCode = found.violation === undefined ? 0 : 1;
    if (found.violation !== undefined) return;
  }
});
