/** How long a group takes to be founded, and a message to it to be stored and pushed, beside what the bare parts take. */
import { randomBytes } from "node:crypto";
import { type Agent, GroupCrypto, nodeCryptoProvider } from "@aimessage/sdk/node";
import { table } from "@aimessage/sdk/program";
import type { Call } from "../call.ts";
import { FanOut, sealFor } from "./bare-group.ts";
import { hundredths, median, timed } from "./figures.ts";
import { BenchMember } from "./member.ts";

const ROUNDS = 5;
/** Accounts that are registered at a time. */
const AT_ONCE = 20;
const BODY_BYTES = 700;
/** As long as something moves, this is not over. Milliseconds. */
const PATIENCE_MS = 600_000;

/** Milliseconds, each beside its floor. */
export interface GroupFigures {
  members: number;
  founded: number;
  sealed: number;
  stored: number;
  pushed: number;
  bare: number;
}

interface Bench {
  server: string;
  founder: Agent;
  members: number;
  note: (text: string) => void;
  signal?: AbortSignal;
}

export async function benchGroup(call: Call, bench: Omit<Bench, "note" | "signal">): Promise<void> {
  const { out, context } = call;
  const signal = context.interrupted;
  const figures = await measureGroup({ ...bench, note: (text) => out.note(text), signal });
  const { founded, sealed, stored, pushed, bare } = figures;
  await out.data(
    [
      `a group of ${figures.members}, messages of ${BODY_BYTES} bytes`,
      "",
      ...table([
        ["", "group", "bare", "ratio"],
        row("founded and stored", founded, sealed),
        row("message stored", stored),
        row("message pushed to all", pushed, bare),
      ]),
    ],
    {
      members: figures.members,
      founded: { ms: hundredths(founded), bare_ms: hundredths(sealed) },
      stored: { ms: hundredths(stored) },
      pushed: { ms: hundredths(pushed), bare_ms: hundredths(bare) },
    },
  );
}

function row(name: string, value: number, floor?: number): string[] {
  const beside = floor === undefined ? ["", ""] : [`${floor.toFixed(1)} ms`, (value / floor).toFixed(1)];
  return [name, `${value.toFixed(1)} ms`, ...beside];
}

/** @param bench `members`: all of them, the founder among them */
export async function measureGroup({ server, founder, members, note, signal }: Bench): Promise<GroupFigures> {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const others: BenchMember[] = [];
  await using fan = await FanOut.start(members - 1);
  try {
    note(`Registering ${members - 1} members...`);
    while (others.length < members - 1 && signal?.aborted !== true) {
      const count = Math.min(AT_ONCE, members - 1 - others.length);
      const join = () => BenchMember.join(server, crypto, `bench-m-${randomBytes(8).toString("hex")}`);
      others.push(...(await Promise.all(Array.from({ length: count }, join))));
    }
    await founder.sync();
    note("Measuring...");
    const sealed = await timed(() => sealFor(crypto, members - 1));
    const names = others.map(({ username }) => username);
    const wait = { timeout: PATIENCE_MS, ...(signal === undefined ? {} : { signal }) };
    const founded = await timed(() => founder.groups.create("bench", names, wait));
    const rounds: { stored: number; pushed: number; bare: number }[] = [];
    // The first does not count.
    for (let at = 0; at <= ROUNDS && signal?.aborted !== true; at++) {
      const all = Promise.all(others.map((member) => member.next()));
      const begun = performance.now();
      await (await founder.send("@bench", randomBytes(BODY_BYTES))).stored(wait);
      const stored = performance.now() - begun;
      await all;
      const pushed = performance.now() - begun;
      const bare = await timed(() => fan.round(BODY_BYTES));
      if (at > 0) rounds.push({ stored, pushed, bare });
    }
    const middle = (of: "stored" | "pushed" | "bare"): number => median(rounds.map((one) => one[of]));
    return {
      members,
      founded,
      sealed,
      stored: middle("stored"),
      pushed: middle("pushed"),
      bare: middle("bare"),
    };
  } finally {
    await Promise.all(others.map((member) => member.leave()));
  }
}
