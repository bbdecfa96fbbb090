// Sends a series of messages: node sender.ts FROM TO PREFIX COUNT. Ends when the relay has them all.
import { Agent } from "@aimessage/sdk/node";

const [username = "", to = "", prefix = "", count = "0"] = process.argv.slice(2);
await using agent = await Agent.open({ username, create: false, role: "sender" });
const sent = [];
for (let i = 1; i <= Number(count); i += 1) sent.push(await agent.send(to, `${prefix} ${i}`));
await Promise.all(sent.map((each) => each.stored({ timeout: 60_000 })));
