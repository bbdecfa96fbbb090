/** Writes what is made of the skill's text: the plugin's skill, and llms.txt. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { llmsText, skillFile } from "../packages/cli/src/install/skill.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
writeFileSync(`${root}integrations/plugin/skills/aimessage/SKILL.md`, skillFile());
writeFileSync(`${root}llms.txt`, llmsText());
