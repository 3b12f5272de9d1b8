-- Inventory's first schema. The tables are those of schema.prisma; below each stands what Prisma's language cannot say.
-- Instants are timestamptz(3): whole milliseconds are what clients get, so nothing is lost between the two.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Items ---------------------------------------------------------------------------------------------------------------

CREATE TABLE "items" (
    "sku" TEXT COLLATE "C" NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "category" TEXT COLLATE "C" NOT NULL,
    "gtin" TEXT COLLATE "C" NOT NULL,
    "weight_grams" INTEGER NOT NULL,
    "length_mm" INTEGER NOT NULL,
    "width_mm" INTEGER NOT NULL,
    "height_mm" INTEGER NOT NULL,
    "tax_category" TEXT NOT NULL,
    "customs_code" TEXT NOT NULL,
    "origin_country_code" TEXT NOT NULL,
    "etag" UUID NOT NULL DEFAULT uuidv7(),
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "delete_time" TIMESTAMPTZ(3),

    CONSTRAINT "items_pkey" PRIMARY KEY ("sku"),
    CONSTRAINT "items_measures_positive" CHECK ("weight_grams" > 0 AND "length_mm" > 0 AND "width_mm" > 0 AND "height_mm" > 0)
);

CREATE UNIQUE INDEX "items_gtin_live" ON "items" ("gtin") WHERE "gtin" <> '' AND "delete_time" IS NULL;

-- One index for each order of ListItems, on the expressions that it sorts by (src/items/list.ts).
CREATE INDEX "items_by_name" ON "items" ((lower("name" COLLATE "pg_c_utf8")), "sku");
CREATE INDEX "items_by_category" ON "items" ("category", (lower("name" COLLATE "pg_c_utf8")), "sku");
CREATE INDEX "items_by_update_time" ON "items" ("update_time" DESC, "sku");

-- Text search without regard to case (src/items/filter-sql.ts has the same expression).
CREATE INDEX "items_search" ON "items"
    USING gin ((lower(("sku" || E'\n' || "name" || E'\n' || "description") COLLATE "pg_c_utf8")) gin_trgm_ops);

-- Every write is a new version: another etag, and the database's own time whatever the writer sends.
CREATE FUNCTION "new_version"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW."etag" := uuidv7();
    NEW."update_time" := now();
    NEW."create_time" := CASE TG_OP WHEN 'INSERT' THEN now() ELSE OLD."create_time" END;
    RETURN NEW;
END
$$;

CREATE TRIGGER "items_new_version" BEFORE INSERT OR UPDATE ON "items" FOR EACH ROW EXECUTE FUNCTION "new_version"();

-- Locations -----------------------------------------------------------------------------------------------------------

CREATE TABLE "locations" (
    "location_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "address_lines" TEXT[],
    "city" TEXT NOT NULL,
    "region_code" TEXT NOT NULL,
    "postal_code" TEXT NOT NULL,
    "country_code" TEXT NOT NULL,
    "time_zone" TEXT NOT NULL,
    "pick_priority" INTEGER NOT NULL,
    "served_country_codes" TEXT[],
    "etag" UUID NOT NULL DEFAULT uuidv7(),
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "locations_pkey" PRIMARY KEY ("location_id")
);

CREATE INDEX "locations_pick_priority_location_id_idx" ON "locations" ("pick_priority", "location_id");

CREATE TRIGGER "locations_new_version" BEFORE INSERT OR UPDATE ON "locations" FOR EACH ROW EXECUTE FUNCTION "new_version"();

-- Stock ---------------------------------------------------------------------------------------------------------------

CREATE TABLE "stock" (
    "sku" TEXT COLLATE "C" NOT NULL,
    "location_id" TEXT COLLATE "C" NOT NULL,
    "on_hand" BIGINT NOT NULL DEFAULT 0,
    "reserved" BIGINT NOT NULL DEFAULT 0,
    "unavailable" BIGINT NOT NULL DEFAULT 0,
    "safety" BIGINT NOT NULL DEFAULT 0,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "stock_pkey" PRIMARY KEY ("sku", "location_id"),
    CONSTRAINT "stock_not_negative" CHECK ("on_hand" >= 0 AND "reserved" >= 0 AND "unavailable" >= 0 AND "safety" >= 0),
    CONSTRAINT "stock_not_oversold" CHECK ("on_hand" >= "reserved" + "unavailable"),
    CONSTRAINT "stock_in_range" CHECK ("on_hand" <= 1000000000000 AND "safety" <= 1000000000000),
    CONSTRAINT "stock_sku_fkey" FOREIGN KEY ("sku") REFERENCES "items" ("sku") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "stock_location_id_fkey" FOREIGN KEY ("location_id") REFERENCES "locations" ("location_id") ON DELETE RESTRICT ON UPDATE RESTRICT
) WITH (fillfactor = 70); -- the hottest rows: room for updates in place

CREATE INDEX "stock_location_id_sku_idx" ON "stock" ("location_id", "sku");

CREATE TABLE "ledger_entries" (
    "ledger_entry_id" UUID NOT NULL DEFAULT uuidv7(),
    "sku" TEXT COLLATE "C" NOT NULL,
    "location_id" TEXT COLLATE "C" NOT NULL,
    "on_hand_delta" BIGINT NOT NULL,
    "on_hand_after" BIGINT NOT NULL,
    "reason" SMALLINT NOT NULL,
    "source" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ledger_entries_pkey" PRIMARY KEY ("ledger_entry_id")
);

CREATE INDEX "ledger_entries_sku_ledger_entry_id_idx" ON "ledger_entries" ("sku", "ledger_entry_id");
CREATE INDEX "ledger_entries_location_id_ledger_entry_id_idx" ON "ledger_entries" ("location_id", "ledger_entry_id");

-- The ledger only grows.
CREATE FUNCTION "refuse_ledger_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger only grows: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER "ledger_entries_only_grow" BEFORE UPDATE OR DELETE OR TRUNCATE ON "ledger_entries"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_ledger_change"();

-- Reservations --------------------------------------------------------------------------------------------------------

CREATE TABLE "reservations" (
    "reservation_id" UUID NOT NULL DEFAULT uuidv7(),
    "state" SMALLINT NOT NULL,
    "expire_time" TIMESTAMPTZ(3) NOT NULL,
    "reference" TEXT NOT NULL,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reservations_pkey" PRIMARY KEY ("reservation_id"),
    CONSTRAINT "reservations_state_known" CHECK ("state" BETWEEN 1 AND 5)
);

CREATE INDEX "reservations_state_reservation_id_idx" ON "reservations" ("state", "reservation_id");
CREATE INDEX "reservations_due" ON "reservations" ("expire_time") WHERE "state" = 1;

CREATE TABLE "allocations" (
    "reservation_id" UUID NOT NULL,
    "sku" TEXT COLLATE "C" NOT NULL,
    "location_id" TEXT COLLATE "C" NOT NULL,
    "quantity" BIGINT NOT NULL,

    CONSTRAINT "allocations_pkey" PRIMARY KEY ("reservation_id", "sku", "location_id"),
    CONSTRAINT "allocations_quantity_positive" CHECK ("quantity" > 0),
    CONSTRAINT "allocations_reservation_id_fkey" FOREIGN KEY ("reservation_id") REFERENCES "reservations" ("reservation_id") ON DELETE CASCADE ON UPDATE RESTRICT
);

CREATE TABLE "shortages" (
    "reservation_id" UUID NOT NULL,
    "sku" TEXT COLLATE "C" NOT NULL,
    "requested_quantity" BIGINT NOT NULL,
    "available_quantity" BIGINT NOT NULL,

    CONSTRAINT "shortages_pkey" PRIMARY KEY ("reservation_id", "sku"),
    CONSTRAINT "shortages_reservation_id_fkey" FOREIGN KEY ("reservation_id") REFERENCES "reservations" ("reservation_id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Stock as it is at this instant: what holds that ran out still count in stock.reserved, because no sweep or caller has tidied
-- them yet, is not reserved. All reading goes through this view; writers tidy first (src/stock/lock.ts).
CREATE VIEW "stock_now" AS
SELECT
    s."sku",
    s."location_id",
    s."on_hand",
    s."reserved" - coalesce(d."quantity", 0)::bigint AS "reserved",
    s."unavailable",
    s."safety",
    s."update_time"
FROM "stock" s
LEFT JOIN (
    SELECT a."sku", a."location_id", sum(a."quantity") AS "quantity"
    FROM "reservations" r
    JOIN "allocations" a ON a."reservation_id" = r."reservation_id"
    WHERE r."state" = 1 AND r."expire_time" <= now()
    GROUP BY a."sku", a."location_id"
) d ON d."sku" = s."sku" AND d."location_id" = s."location_id";

-- What the runtime keeps (runtime/src/data/README.md) ------------------------------------------------------------------

CREATE TABLE "idempotency_keys" (
    "rpc" TEXT NOT NULL,
    "principal" TEXT NOT NULL,
    "request_id" UUID NOT NULL,
    "request_hash" BYTEA NOT NULL,
    "response" BYTEA NOT NULL DEFAULT '\x',
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("rpc", "principal", "request_id")
);

CREATE INDEX "idempotency_keys_create_time_idx" ON "idempotency_keys" ("create_time");

CREATE TABLE changes (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic text NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changes_order ON changes (transaction, position);
CREATE INDEX changes_by_time ON changes (create_time);

CREATE TABLE changes_horizon (
    id boolean PRIMARY KEY CHECK (id),
    transaction xid8 NOT NULL
);
