/** A process of its own that uses the store: `child.ts FOLDER TASK [ARGUMENT]`. Says a line when it has begun. */
import { SqliteStore } from "../../src/node/sqlite-store.ts";

const [, , folder = "", task = "", argument = ""] = process.argv;
const store = await SqliteStore.open(folder);

switch (task) {
  case "increment":
    console.log("begun");
    for (let round = 0; round < Number(argument); round++)
      await store.write(async (tx) => {
        await tx.put("count", String(Number((await tx.get("count")) ?? 0) + 1));
        await tx.put(`by/${process.pid}/${round}`, "");
      });
    await store.close();
    break;
  case "pairs":
    // Two records that always change together, each large enough for several pages.
    for (let round = 1; ; round++) {
      const value = `${round} `.repeat(5000);
      await store.write(async (tx) => {
        await tx.put("left", value);
        await tx.put("right", value);
      });
      if (round === 1) console.log("begun");
    }
  case "overwrite":
    await store.write((tx) => tx.put("a", argument));
    await store.write((tx) => tx.put("a", "nothing"));
    console.log("begun");
    setInterval(() => undefined, 1000);
    break;
  case "link":
    if ((await store.takeLink("the child")) === undefined) throw new Error("the link is taken");
    console.log("begun");
    setInterval(() => undefined, 1000);
    break;
  case "link and transaction":
    await store.takeLink("the child");
    await store.write(async () => {
      console.log("begun");
      setInterval(() => undefined, 1000);
      await new Promise(() => undefined);
    });
    break;
  case "lift": {
    const [{ GroupCrypto }, { liftStore }, { nodeCryptoProvider }] = await Promise.all([
      import("../../src/crypto/mls/group.ts"),
      import("../../src/link/lift.ts"),
      import("../../src/node/provider.ts"),
    ]);
    const crypto = await GroupCrypto.load(nodeCryptoProvider);
    const decode = crypto.decode.bind(crypto);
    let read = 0;
    crypto.decode = (bytes) => {
      if ((read += 1) === Number(argument)) {
        console.log("in the midst of it");
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      }
      return decode(bytes);
    };
    if (argument === "0") console.log("begun");
    await liftStore(store, crypto);
    setInterval(() => undefined, 1000);
    break;
  }
  default:
    throw new Error(`no such task: ${task}`);
}
