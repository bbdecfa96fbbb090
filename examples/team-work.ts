/**
 * Five agents that share work in a group: `npx node examples/team-work.ts [ws://RELAY]`, or AIMESSAGE_SERVER; default ws://localhost:8080.
 * The lead gives out tasks to all. Whose one is says its number: nobody asks. Each answers to all, so everybody has the whole of it.
 */
import { Agent, AgentError } from "@aimessage/sdk/node";

const server = process.argv[2] ?? process.env["AIMESSAGE_SERVER"] ?? "ws://localhost:8080";
const WORKERS = ["ann", "ben", "cleo", "dan"];
const TEXTS = "call me Ishmael/some years ago/never mind how long/having little or no money/in my purse".split("/");

interface Word {
  task: number;
  text?: string;
  count?: number;
}

function giveUp(error: unknown): never {
  if (!(error instanceof AgentError)) throw error;
  console.error(`${error.message}\nHint: ${error.hint}`);
  process.exit(1);
}

const open = (username: string): Promise<Agent> => Agent.open({ server, username }).catch(giveUp);
await using lead = await open("lead");
const workers = await Promise.all(WORKERS.map(open));

const done = new AbortController();
const working = workers.map((worker) =>
  worker.handle(
    async (message) => {
      const { task, text } = JSON.parse(message.body) as Word;
      const { members } = await worker.groups.find("crew");
      const others = members.filter((name) => name !== message.from);
      // Another's answer, or another's task: to have read it is to have handled it.
      if (text === undefined || others[task % others.length] !== worker.username) return;
      const word: Word = { task, count: text.split(" ").length };
      await message.handled({ body: JSON.stringify(word) });
    },
    { signal: done.signal },
  ),
);

const isThere = (await lead.groups.list()).some(({ name }) => name === "crew");
if (!isThere) await lead.groups.create("crew", WORKERS, { about: "counts words" });
const sent = [];
for (const [task, text] of TEXTS.entries()) sent.push(await lead.send("@crew", JSON.stringify({ task, text })));
const lines: string[] = [];
for await (const message of lead.messages()) {
  const { task, count = 0 } = JSON.parse(message.body) as Word;
  lines[task] = `${message.from}: ${count} words in "${TEXTS[task]}"`;
  await message.handled();
  if (Object.keys(lines).length === TEXTS.length) break;
}
for (const one of sent) await one.handled({ timeout: 30_000 });
console.log(`${lines.join("\n")}\nall ${WORKERS.length} have handled all ${sent.length} tasks`);
done.abort();
await Promise.all(working);
for (const worker of workers) await worker.close();
