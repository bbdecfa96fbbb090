/**
 * Two agents that agree on a price: `npx node examples/negotiate.ts [ws://RELAY]`, or AIMESSAGE_SERVER; default ws://localhost:8080.
 * The seller knows its least price, the buyer its most; each offer is a question, and each answer a word or another offer.
 */
import { Agent, AgentError } from "@aimessage/sdk/node";

const server = process.argv[2] ?? process.env["AIMESSAGE_SERVER"] ?? "ws://localhost:8080";
const [LEAST, MOST] = [70, 90];

interface Word {
  offer: number;
  agreed?: boolean;
}
const json = { contentType: "application/json" };

function giveUp(error: unknown): never {
  if (!(error instanceof AgentError)) throw error;
  console.error(`${error.message}\nHint: ${error.hint}`);
  process.exit(1);
}

await using seller = await Agent.open({ server, username: "seller" }).catch(giveUp);
await using buyer = await Agent.open({ server, username: "buyer" }).catch(giveUp);

const closed = new AbortController();
const selling = seller.handle(
  async (message) => {
    const { offer } = JSON.parse(message.body) as Word;
    const asked = Math.max(LEAST, 130 - offer);
    const word: Word = offer >= asked ? { offer, agreed: true } : { offer: asked };
    await message.handled({ body: JSON.stringify(word), options: json });
  },
  { signal: closed.signal },
);

let offer = 40;
for (let round = 1; ; round++) {
  const reply = await buyer.ask("seller", JSON.stringify({ offer }), { ...json, thread: "chair", timeout: 30_000 });
  const word = JSON.parse(reply.body) as Word;
  console.log(`round ${round}: buyer offers ${offer}, seller ${word.agreed ? "agrees" : `asks ${word.offer}`}`);
  if (word.agreed === true) break;
  if (offer >= MOST) {
    console.log("no deal");
    break;
  }
  offer = Math.min(MOST, Math.ceil((offer + word.offer) / 2));
}
closed.abort();
await selling;
