import { engineCpu } from "../../shared/engine-cpu.ts";
import { median } from "../../shared/percentiles.ts";
import { Postgres } from "../../shared/postgres.ts";
import { startWorker, type Worker } from "../../shared/worker.ts";
import type { Plan, Result } from "../compare.ts";

const FEW = 1_000;
const MANY = 100_000;
const ROUNDS = 5;
const load = new URL("../load/cluster-store.ts", import.meta.url);

/** What a message costs in the store of a cluster that has many mailboxes, beside one that has few. */
export async function mailboxes({ seconds, progress }: Plan): Promise<Result[]> {
  await using parts = new AsyncDisposableStack();
  const engine = parts.use(await Postgres.create({ max_wal_size: "2GB" }));
  const sides = await Promise.all([FEW, MANY].map(sideOf));

  async function sideOf(count: number): Promise<{ count: number; worker: Worker; spent: number[]; rates: number[] }> {
    const schema = `of_${count}`;
    const worker = parts.use(await startWorker(load, { execArgv: ["--conditions=@aimessage/source"] }));
    await worker.ask("open", { url: engine.url, schema });
    progress(`makes ${count} mailboxes`);
    await engine.query(fill(schema, count));
    return { count, worker, spent: [], rates: [] };
  }

  for (let round = 0; round <= ROUNDS; round++) {
    progress(`mailboxes: ${round === 0 ? "warm-up" : `round ${round} of ${ROUNDS}`}`);
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const [own, engineBefore] = [await side.worker.ask<number>("cpu"), engineCpu(engine)];
      const started = performance.now();
      const rate = await side.worker.ask<number>("run", { mailboxes: side.count, seconds });
      const count = (rate * (performance.now() - started)) / 1000;
      if (round === 0) continue;
      side.spent.push(((await side.worker.ask<number>("cpu")) - own + engineCpu(engine) - engineBefore) / count);
      side.rates.push(rate);
    }
  }
  const [few, many] = sides;
  if (few === undefined || many === undefined) return [];
  const about = {
    figure: "mailboxes",
    title: `CPU a message in the store of a cluster, ${MANY} mailboxes beside ${FEW}`,
  };
  const ratio = median(many.spent.map((value, at) => value / (few.spent[at] ?? 1)));
  return [{ ...about, unit: " us", value: median(many.spent), floor: median(few.spent), ratio, aim: { atMost: 2.5 } }];
}

/** Token accounts `user1` and so on, in the mailboxes of these numbers. */
function fill(schema: string, count: number): string {
  return `SET search_path = ${schema};
    INSERT INTO mailboxes (mailbox, name, device, username, kind) SELECT i, 'user' || i, '', 'user' || i, 'token' FROM generate_series(1, ${count}) i;
    INSERT INTO accounts (name, username, kind, mailbox) SELECT name, name, 'token', mailbox FROM mailboxes;
    INSERT INTO devices (mailbox, derived_key) SELECT mailbox, '\\x00' FROM mailboxes;
    SELECT setval('mailbox_numbers', ${count + 1}); ANALYZE;`;
}
