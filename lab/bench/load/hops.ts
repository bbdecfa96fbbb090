/** Floor of a round trip: two exchanges of a text with a bare server, one after the other. */
import { serve } from "../../shared/serve.ts";
import { LoadSocket } from "../../shared/load-socket.ts";

const PROBE = { type: "send", id: "1", data: { to: "receiver", message: "x".repeat(600) } };

serve({ hops });

/** @returns milliseconds of each pair of exchanges */
async function hops({ port, seconds }: { port: number; seconds: number }): Promise<number[]> {
  const socket = await LoadSocket.open(port);
  const took: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const started = performance.now();
    await socket.ask(PROBE);
    await socket.ask(PROBE);
    took.push(performance.now() - started);
  }
  await socket.close();
  return took;
}
