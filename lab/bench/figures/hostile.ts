import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { percentile } from "../../shared/percentiles.ts";
import { type Server, startRelay } from "../../shared/relay.ts";
import { startWorker } from "../../shared/worker.ts";
import { type Plan, type Result } from "../compare.ts";

const BODY_BYTES = 128;
const WARM_UP = 500;
/** Attacks take their time: mailboxes fill up, memory is taken. So many times as long as others are measured. */
const LENGTHS = 10;
const LOOK_MS = 250;
const agent = new URL("../load/agent.ts", import.meta.url);

/**
 * An honest pair beside every attack that is known, at once and as fast as the relay lets them: what its messages take, what
 * a fresh login takes, and what the relay's memory grows to, each beside the same without attacks.
 */
export async function hostile({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"), { limited: true });
  await using sender = await startWorker(agent);
  await using receiver = await startWorker(agent);
  await using newcomer = await startWorker(new URL("../load/logins.ts", import.meta.url));
  await using foes = await startWorker(new URL("../../hostile/main.ts", import.meta.url));
  const server = `ws://localhost:${relay.port}/ws`;
  await receiver.ask("open", { server, home: folder, username: "receiver" });
  await receiver.ask("listen");
  await sender.ask("open", { server, home: folder, username: "sender" });
  {
    await using once = await startWorker(agent);
    await once.ask("open", { server, home: folder, username: "sleeper" });
    // Whom it has written to is one of its contacts.
    await once.ask("leave", { to: "sender", bytes: BODY_BYTES, count: 1 });
    await once.ask("close");
  }
  await newcomer.ask("register", { port: relay.port, accounts: 1 });
  progress(`sends ${WARM_UP} messages, one at a time`);
  await sender.ask("warmUp", { to: "receiver", bytes: BODY_BYTES, count: WARM_UP });
  const measure = async () => {
    const peak = watch(relay);
    const took = { to: "receiver", bytes: BODY_BYTES, seconds: LENGTHS * seconds };
    const messages = await sender.ask<number[]>("roundTrips", took);
    const logins = await newcomer.ask<number[]>("singles", { port: relay.port, seconds: 5 * seconds });
    return { messages: percentile(messages, 0.99), logins: percentile(logins, 0.9), memory: await peak() };
  };
  progress("beside an honest pair: nothing");
  const quiet = await measure();
  progress("beside an honest pair: all attacks");
  const target = { port: relay.port, victims: ["receiver"], sleeper: "sleeper" };
  await foes.ask("start", target);
  const attacked = await measure();
  // The sleeping agent's own contacts still reach it, for all that strangers have left there.
  await sender.ask("leave", { to: "sleeper", bytes: BODY_BYTES, count: 1 });
  const { requests } = await foes.ask<{ requests: number }>("stop");
  progress(`the attacks were ${requests} requests`);
  await Promise.all([sender.ask("close"), receiver.ask("close")]);
  return [
    result("send to handled, p99", " ms", { value: attacked.messages, floor: quiet.messages, atMost: 10 }),
    result("login of a key account, p90", " ms", { value: attacked.logins, floor: quiet.logins, atMost: 10 }),
    result("relay's memory", " MiB", { value: attacked.memory / 2 ** 20, floor: quiet.memory / 2 ** 20, atMost: 2 }),
  ];
}

function result(
  title: string,
  unit: string,
  { value, floor, atMost }: { value: number; floor: number; atMost: number },
): Result {
  return {
    figure: "hostile",
    title: `${title}, beside attacks`,
    unit,
    value,
    floor,
    ratio: value / floor,
    aim: { atMost },
  };
}

/** Looks at a server's resident memory. @returns what ends it, and says the most that was seen */
function watch(server: Server): () => Promise<number> {
  let most = 0;
  let watching = true;
  const looking = (async () => {
    while (watching) {
      most = Math.max(most, await server.ask<number>("resident"));
      await delay(LOOK_MS);
    }
  })();
  return async () => {
    watching = false;
    await looking;
    return most;
  };
}
