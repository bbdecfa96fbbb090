/** Writes docs/pipe.schema.json: what `aimessage pipe` takes and says. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pipeSchema } from "../packages/cli/src/doors/pipe-schema.ts";

const file = fileURLToPath(new URL("../docs/pipe.schema.json", import.meta.url));
writeFileSync(file, `${JSON.stringify(pipeSchema(), null, 2)}\n`);
