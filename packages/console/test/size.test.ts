import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { files } from "@aimessage/console/page";

/** What the page may be, as it goes over a wire that compresses. Bytes. */
const MOST = 60_000;

test("the page is small, has nothing inline, and asks for nothing that is not its own", () => {
  const sizes = Object.values(files).map((text) => gzipSync(text).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(MOST);
  const html = files["/index.html"] ?? "";
  expect(html).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|style=/);
  const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string);
  expect(named.length).toBeGreaterThan(2);
  expect(named.filter((path) => !(path.replace(/^\./, "") in files))).toEqual([]);
});
