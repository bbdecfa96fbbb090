import { describe, expect, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { checkTables } from "../src/store/postgres/check.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import { relayStoreCases } from "../src/testing/index.ts";

describe.runIf(hasPostgres)("the PostgreSQL store", () => {
  for (const { name: sentence, run } of relayStoreCases)
    test(sentence, async () => {
      const url = await database();
      await run((options) => openPostgresStore({ ...options, url }));
      expect(await checkTables(url, "aimessage")).toEqual([]);
    });
});
