/** The licences of the packages that a bundle contains, as each of them asks whoever hands on copies. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A path up to the folder of the innermost package that the registry has. */
const PACKAGE = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/;

/**
 * @param modules paths of the files in the bundle
 * @throws Error for a package that says nothing of its licence
 */
export function licencesOf(modules: readonly string[]): string {
  const folders = modules.flatMap((path) => PACKAGE.exec(path)?.[0] ?? []);
  return [...new Set(folders)]
    .toSorted()
    .map(licenceOf)
    .join(`\n${"-".repeat(80)}\n\n`);
}

function licenceOf(folder: string): string {
  const manifest = readFileSync(join(folder, "package.json"), "utf8");
  const { name, version, license } = JSON.parse(manifest) as Record<string, unknown>;
  if (typeof license !== "string") throw new Error(`${String(name)} has no licence`);
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file === undefined) throw new Error(`${String(name)} has no file with its licence`);
  const text = readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim();
  return `${String(name)} ${String(version)} (${license})\n\n${text}\n`;
}
