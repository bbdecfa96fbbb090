/** Writes the folder `vectors`: what implementations in other languages compare themselves with. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { vectorFiles } from "./vectors/files.ts";

const folder = fileURLToPath(new URL("../vectors/", import.meta.url));
for (const [name, text] of Object.entries(vectorFiles())) writeFileSync(folder + name, text);
