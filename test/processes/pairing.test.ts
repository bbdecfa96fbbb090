import { writeFileSync } from "node:fs";
import { Agent } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { builtCli, builtRelay } from "../built.ts";
import { freePort, Program, random, temporaryFolder } from "./processes.ts";
import { eventually } from "../waiting.ts";

/** `PAIRING_SEED=7 npx vitest run test/processes/pairing.test.ts` repeats one. */
const SEED = Number(process.env["PAIRING_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = 6;

test(
  `kill -9 of both sides and the relay at random moments of a pairing: it comes to its end, once (PAIRING_SEED=${SEED})`,
  { tags: ["long"], timeout: 300_000 },
  async () => {
    using folder = temporaryFolder();
    const next = random(SEED);
    const port = await freePort();
    const server = `ws://127.0.0.1:${port}/ws`;
    const relay = new Program([builtRelay(), "--port", String(port), "--db", `${folder.path}/data`]);
    const programs = [relay];
    const program = (...args: string[]) => {
      const made = new Program([builtCli(), ...args]);
      programs.push(made);
      return made;
    };
    const [home, other] = [`${folder.path}/home`, `${folder.path}/other home`];
    try {
      relay.start();
      await eventually("the relay starts", () => relay.lines.some((line) => line.startsWith("Health check")));
      await (await Agent.open({ server, username: "bob", home })).close();
      for (let round = 0; round < ROUNDS; round++) {
        const name = `alice-${round}`;
        const bob = program("--home", home, "-u", "bob", "--json", "pair", "--for", name);
        const listener = program("--home", home, "-u", "bob", "listen");
        const file = `${folder.path}/line ${round}`;
        bob.start();
        await eventually("there is a line", () => bob.lines.length > 0);
        writeFileSync(file, (JSON.parse(bob.lines[0] ?? "") as { line: string }).line);
        const alice = program("--home", other, "-u", name, "--json", "pair", "--yes", "--line", `@${file}`);
        alice.start();
        for (let kills = 0; kills < 6 && alice.running; kills++) {
          await new Promise((resolve) => setTimeout(resolve, 400 * next()));
          const victim = [alice, bob, relay][Math.floor(3 * next())];
          await victim?.end("SIGKILL");
          if (victim === relay) relay.start();
          else if (victim === alice) alice.start();
          else bob.start(["--resume"]);
        }
        // Where they have met no relay they have given up, and are called again; of Bob some process or other is there.
        await eventually("both sides have ended", () => {
          if (!bob.running && !listener.running) listener.start();
          if (!alice.running && alice.exitCode !== 0) alice.start();
          return !alice.running && alice.exitCode === 0;
        });
        for (const one of [bob, listener]) await one.end("SIGTERM");
        await using agent = await Agent.open({ username: "bob", home });
        expect(await agent.contact(name)).toMatchObject({ verified: true });
        expect((await agent.pairing.lines()).at(-1)).toMatchObject({ state: "paired", by: { username: name } });
        expect(await agent.alerts()).toEqual([]);
      }
    } finally {
      for (const one of programs.toReversed()) await one.end("SIGTERM");
    }
  },
);
