/** Floor of a wake-up: one connection to PostgreSQL notifies another, which reads a row then. */
import { Client } from "pg";
import { serve } from "../../shared/serve.ts";

let notifier: Client;
let listener: Client;

serve({ connect, wakeUps });

async function connect({ url }: { url: string }): Promise<void> {
  notifier = new Client({ connectionString: url, options: "-c synchronous_commit=off" });
  listener = new Client({ connectionString: url });
  await Promise.all([notifier.connect(), listener.connect()]);
  await listener.query("CREATE TABLE floor (row int PRIMARY KEY); INSERT INTO floor VALUES (1); LISTEN floor");
}

/** One at a time. @returns milliseconds of each */
async function wakeUps({ seconds }: { seconds: number }): Promise<number[]> {
  const took: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const started = performance.now();
    const heard = new Promise((resolve) => listener.once("notification", resolve));
    const told = notifier.query({ name: "notify", text: "SELECT pg_notify('floor', '1')" });
    await heard;
    await listener.query({ name: "read", text: "SELECT row FROM floor WHERE row = $1", values: [1] });
    took.push(performance.now() - started);
    await told;
  }
  return took;
}
