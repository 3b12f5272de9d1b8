-- Kits, lots, states of stock, backorders, low stock, transfers and counts; and the hot path of reservations as one function.

-- Items: kits, units, lots, and what happens out of stock ---------------------------------------------------------------

ALTER TABLE "items"
    ADD COLUMN "unit_code" TEXT NOT NULL DEFAULT '',
    ADD COLUMN "out_of_stock_policy" SMALLINT NOT NULL DEFAULT 1,
    ADD COLUMN "backorder_limit" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "release_time" TIMESTAMPTZ(3),
    ADD COLUMN "lot_tracked" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "is_kit" BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT "items_out_of_stock_policy_known" CHECK ("out_of_stock_policy" BETWEEN 1 AND 3),
    ADD CONSTRAINT "items_backorder_limit_in_range" CHECK ("backorder_limit" BETWEEN 0 AND 1000000000);

-- The same trade item has the same number in a form that is longer by leading zeros (src/items/filter-sql.ts has the same expression).
DROP INDEX "items_gtin_live";
CREATE UNIQUE INDEX "items_gtin_live" ON "items" ((lpad("gtin", 14, '0'))) WHERE "gtin" <> '' AND "delete_time" IS NULL;

-- Newest first is read from its end: both columns run the same way, so that a page goes on after any key of it.
DROP INDEX "items_by_update_time";
CREATE INDEX "items_by_update_time" ON "items" ("update_time", "sku");

-- What is yet to come out, for who tells of it (src/items/release.ts).
CREATE INDEX "items_to_release" ON "items" ("release_time") WHERE "out_of_stock_policy" = 3;

CREATE TABLE "kit_components" (
    "kit_sku" TEXT COLLATE "C" NOT NULL,
    "component_sku" TEXT COLLATE "C" NOT NULL,
    "quantity" BIGINT NOT NULL,
    "position" SMALLINT NOT NULL,

    CONSTRAINT "kit_components_pkey" PRIMARY KEY ("kit_sku", "component_sku"),
    CONSTRAINT "kit_components_quantity_positive" CHECK ("quantity" > 0),
    CONSTRAINT "kit_components_not_itself" CHECK ("kit_sku" <> "component_sku"),
    CONSTRAINT "kit_components_kit_sku_fkey" FOREIGN KEY ("kit_sku") REFERENCES "items" ("sku") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "kit_components_component_sku_fkey" FOREIGN KEY ("component_sku") REFERENCES "items" ("sku") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE INDEX "kit_components_component_sku_idx" ON "kit_components" ("component_sku");

-- Locations -----------------------------------------------------------------------------------------------------------

ALTER TABLE "locations" ADD COLUMN "deactivated" BOOLEAN NOT NULL DEFAULT false;

-- Stock: its states. `unavailable` was always 0 until now, and is the sum of its parts from now on ------------------------

DROP VIEW "stock_now";

ALTER TABLE "stock"
    DROP CONSTRAINT "stock_not_negative",
    DROP CONSTRAINT "stock_not_oversold",
    DROP CONSTRAINT "stock_in_range",
    DROP COLUMN "unavailable",
    ADD COLUMN "damaged" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "quality_control" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "unavailable" BIGINT NOT NULL GENERATED ALWAYS AS ("damaged" + "quality_control") STORED,
    ADD COLUMN "incoming" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "backordered" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "low_stock_threshold" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "low_stock_told" BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT "stock_not_negative" CHECK (
        "on_hand" >= 0 AND "reserved" >= 0 AND "damaged" >= 0 AND "quality_control" >= 0 AND "incoming" >= 0 AND "safety" >= 0
        AND "backordered" >= 0 AND "low_stock_threshold" >= 0),
    ADD CONSTRAINT "stock_not_oversold" CHECK ("on_hand" >= "reserved" - "backordered" + "damaged" + "quality_control"),
    ADD CONSTRAINT "stock_in_range" CHECK (
        "on_hand" <= 1000000000000 AND "incoming" <= 1000000000000 AND "safety" <= 1000000000000);

-- Lots: whose stock is part of the stock row's, which is locked for both ---------------------------------------------------

CREATE TABLE "lots" (
    "sku" TEXT COLLATE "C" NOT NULL,
    "lot_id" TEXT COLLATE "C" NOT NULL,
    "expire_time" TIMESTAMPTZ(3) NOT NULL,
    "expiry_told" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "lots_pkey" PRIMARY KEY ("sku", "lot_id"),
    CONSTRAINT "lots_sku_fkey" FOREIGN KEY ("sku") REFERENCES "items" ("sku") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- Lots whose expiry the watchers have not been told of (src/stock/expiry.ts). Who reads stock asks for the lots of a level and goes by the clock.
CREATE INDEX "lots_expiry_untold" ON "lots" ("expire_time") WHERE NOT "expiry_told";

CREATE TABLE "lot_stock" (
    "sku" TEXT COLLATE "C" NOT NULL,
    "location_id" TEXT COLLATE "C" NOT NULL,
    "lot_id" TEXT COLLATE "C" NOT NULL,
    "on_hand" BIGINT NOT NULL DEFAULT 0,
    "reserved" BIGINT NOT NULL DEFAULT 0,
    "damaged" BIGINT NOT NULL DEFAULT 0,
    "quality_control" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "lot_stock_pkey" PRIMARY KEY ("sku", "location_id", "lot_id"),
    CONSTRAINT "lot_stock_not_negative" CHECK ("on_hand" >= 0 AND "reserved" >= 0 AND "damaged" >= 0 AND "quality_control" >= 0),
    CONSTRAINT "lot_stock_not_oversold" CHECK ("on_hand" >= "reserved" + "damaged" + "quality_control"),
    CONSTRAINT "lot_stock_sku_location_id_fkey" FOREIGN KEY ("sku", "location_id") REFERENCES "stock" ("sku", "location_id") ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "lot_stock_sku_lot_id_fkey" FOREIGN KEY ("sku", "lot_id") REFERENCES "lots" ("sku", "lot_id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE INDEX "lot_stock_sku_lot_id_idx" ON "lot_stock" ("sku", "lot_id");

-- The ledger: a column for each balance, so that an entry is one event and each balance the sum of its column ---------------

ALTER TABLE "ledger_entries"
    ADD COLUMN "damaged_delta" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "quality_control_delta" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "incoming_delta" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "safety_delta" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "lot_id" TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Safety stock was not booked until now: where it is not 0, its history begins with this entry.
INSERT INTO "ledger_entries" ("sku", "location_id", "on_hand_delta", "on_hand_after", "safety_delta", "reason", "source", "actor")
SELECT "sku", "location_id", 0, "on_hand", "safety", 12, 'opening balance', 'inventory' FROM "stock" WHERE "safety" <> 0;

-- One index serves adding up an item at a location and reading its history, there or, location by location, everywhere
-- (src/stock/ledger-list.ts). So the one by item alone is not needed: each would be paid for by every booking.
DROP INDEX "ledger_entries_sku_ledger_entry_id_idx";
CREATE INDEX "ledger_entries_sku_location_id_ledger_entry_id_idx" ON "ledger_entries" ("sku", "location_id", "ledger_entry_id");

-- Reservations: lots, backorders and parts that have left ----------------------------------------------------------------

-- What a reservation holds is written by the statement that writes the reservation, and neither is ever removed: a foreign key would cost the hot
-- path a look-up for each row and find nothing.
ALTER TABLE "shortages" DROP CONSTRAINT "shortages_reservation_id_fkey";

ALTER TABLE "allocations"
    DROP CONSTRAINT "allocations_reservation_id_fkey",
    DROP CONSTRAINT "allocations_pkey",
    DROP CONSTRAINT "allocations_quantity_positive",
    ADD COLUMN "lot_id" TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN "backordered_quantity" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "committed_quantity" BIGINT NOT NULL DEFAULT 0,
    ADD CONSTRAINT "allocations_pkey" PRIMARY KEY ("reservation_id", "sku", "location_id", "lot_id"),
    ADD CONSTRAINT "allocations_quantities_in_range" CHECK (
        "quantity" > 0 AND "backordered_quantity" >= 0 AND "committed_quantity" >= 0
        AND "backordered_quantity" + "committed_quantity" <= "quantity");

UPDATE "allocations" SET "committed_quantity" = "quantity"
WHERE "reservation_id" IN (SELECT "reservation_id" FROM "reservations" WHERE "state" = 3);

-- Who waits for goods, first come first: reservation ids grow with time.
CREATE INDEX "allocations_backordered" ON "allocations" ("sku", "location_id", "reservation_id") WHERE "backordered_quantity" > 0;

-- Stock as it is at this instant: holds that ran out still count in stock.reserved, because no sweep or caller has tidied them
-- yet, and free units of lots that have expired still count as on hand; here neither counts. All reading goes through this view;
-- writers tidy first (src/stock/lock.ts). Lots are looked up level by level: there may be a million that expired long ago. They come as JSON,
-- quantities as text, the first to expire first (src/stock/lots.ts); who does not select them does not pay for it.
CREATE VIEW "stock_now" AS
SELECT
    s."sku",
    s."location_id",
    s."on_hand",
    s."reserved" - coalesce(d."quantity", 0)::bigint AS "reserved",
    s."damaged",
    s."quality_control",
    coalesce(e."expired", 0)::bigint AS "expired",
    s."unavailable" + coalesce(e."expired", 0)::bigint AS "unavailable",
    s."safety",
    s."incoming",
    s."backordered" - coalesce(d."backordered", 0)::bigint AS "backordered",
    s."low_stock_threshold",
    s."update_time",
    e."lots"
FROM "stock" s
LEFT JOIN (
    -- Added up once for all levels, with the lots among them: there may be thousands.
    SELECT "sku", "location_id", sum("quantity") AS "quantity", sum("backordered") AS "backordered",
        jsonb_object_agg("lot_id", "quantity") FILTER (WHERE "lot_id" <> '') AS "of_lots"
    FROM (
        SELECT a."sku", a."location_id", a."lot_id", sum(a."quantity") AS "quantity", sum(a."backordered_quantity") AS "backordered"
        FROM "reservations" r
        JOIN "allocations" a ON a."reservation_id" = r."reservation_id"
        WHERE r."state" = 1 AND r."expire_time" <= now()
        GROUP BY a."sku", a."location_id", a."lot_id"
    ) a
    GROUP BY "sku", "location_id"
) d ON d."sku" = s."sku" AND d."location_id" = s."location_id"
LEFT JOIN LATERAL (
    SELECT
        sum(x."on_hand" - x."reserved" - x."damaged" - x."quality_control" + coalesce((d."of_lots" ->> x."lot_id")::bigint, 0))
            FILTER (WHERE l."expire_time" <= now()) AS "expired",
        json_agg(json_build_array(x."lot_id", (extract(epoch FROM l."expire_time") * 1000)::bigint, l."expire_time" <= now(), x."on_hand"::text,
            (x."reserved" - coalesce((d."of_lots" ->> x."lot_id")::bigint, 0))::text, x."damaged"::text, x."quality_control"::text)
            ORDER BY l."expire_time", x."lot_id") AS "lots"
    FROM "lot_stock" x
    JOIN "lots" l ON l."sku" = x."sku" AND l."lot_id" = x."lot_id"
    WHERE x."sku" = s."sku" AND x."location_id" = s."location_id" AND x."on_hand" > 0
) e ON true;

-- Low stock: told once for each crossing, by the one who crosses, whoever writes. A level is looked at as its transaction commits, so that
-- what counts is how it ends, threshold and lots included. Free units of lots that have expired are not available; holds that ran out
-- and are not tidied yet still hold, until who tidies them lifts the level.
CREATE FUNCTION "tell_low_stock"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    available BIGINT;
    threshold BIGINT;
    told BOOLEAN;
    is_low BOOLEAN;
BEGIN
    SELECT s.on_hand - s.reserved - s.unavailable - s.safety - coalesce((
            SELECT sum(x.on_hand - x.reserved - x.damaged - x.quality_control)
            FROM lot_stock x JOIN lots l ON l.sku = x.sku AND l.lot_id = x.lot_id
            WHERE x.sku = s.sku AND x.location_id = s.location_id AND l.expire_time <= now()), 0),
        s.low_stock_threshold, s.low_stock_told
    INTO available, threshold, told
    FROM stock s WHERE s.sku = NEW.sku AND s.location_id = NEW.location_id;
    is_low := threshold > 0 AND available <= threshold;
    IF is_low <> told THEN
        UPDATE stock SET low_stock_told = is_low WHERE sku = NEW.sku AND location_id = NEW.location_id;
    END IF;
    IF is_low AND NOT told THEN
        INSERT INTO changes (topic, key, payload)
        VALUES ('stock', NEW.sku || ' ' || NEW.location_id,
            convert_to(json_build_object(
                'sku', NEW.sku, 'locationId', NEW.location_id,
                'available', available::text, 'lowStockThreshold', threshold::text)::text, 'UTF8'));
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER "stock_low" AFTER UPDATE ON "stock" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((NEW.low_stock_threshold > 0 OR NEW.low_stock_told) AND NEW.low_stock_told = OLD.low_stock_told)
    EXECUTE FUNCTION "tell_low_stock"();

-- A level goes with its location once nothing is there, or as its item becomes a kit. What was kept back from sale is no longer, which its ledger
-- says, so that it sums to nothing like the level; and watchers of a level that was more than nothing are told.
CREATE FUNCTION "close_level"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.safety <> 0 AND OLD.on_hand = 0 AND OLD.incoming = 0 THEN
        INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, safety_delta, reason, source, actor)
        VALUES (OLD.sku, OLD.location_id, 0, OLD.on_hand, -OLD.safety, 12, 'location deleted', 'inventory');
    END IF;
    INSERT INTO changes (topic, key, payload) VALUES ('stock', OLD.sku || ' ' || OLD.location_id, '');
    RETURN NULL;
END
$$;

CREATE TRIGGER "stock_gone" AFTER DELETE ON "stock" FOR EACH ROW
    WHEN (OLD.safety <> 0 OR OLD.low_stock_threshold <> 0) EXECUTE FUNCTION "close_level"();

-- Imports: how far each has come ------------------------------------------------------------------------------------------

CREATE TABLE "stock_imports" (
    "principal" TEXT NOT NULL,
    "request_id" UUID NOT NULL,
    "next_line" BIGINT NOT NULL,
    "changed_count" BIGINT NOT NULL DEFAULT 0,
    "unchanged_count" BIGINT NOT NULL DEFAULT 0,
    "skipped_count" BIGINT NOT NULL DEFAULT 0,
    "error_count" INTEGER NOT NULL DEFAULT 0,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "complete_time" TIMESTAMPTZ(3),

    CONSTRAINT "stock_imports_pkey" PRIMARY KEY ("principal", "request_id")
);

CREATE INDEX "stock_imports_update_time_idx" ON "stock_imports" ("update_time");

CREATE TABLE "stock_import_chunks" (
    "principal" TEXT NOT NULL,
    "request_id" UUID NOT NULL,
    "first_line" BIGINT NOT NULL,
    "row_count" INTEGER NOT NULL,
    "errors" JSONB,

    CONSTRAINT "stock_import_chunks_pkey" PRIMARY KEY ("principal", "request_id", "first_line"),
    CONSTRAINT "stock_import_chunks_principal_request_id_fkey" FOREIGN KEY ("principal", "request_id") REFERENCES "stock_imports" ("principal", "request_id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Transfers ---------------------------------------------------------------------------------------------------------------

CREATE TABLE "transfers" (
    "transfer_id" UUID NOT NULL DEFAULT uuidv7(),
    "state" SMALLINT NOT NULL,
    "source_location_id" TEXT COLLATE "C" NOT NULL,
    "destination_location_id" TEXT COLLATE "C" NOT NULL,
    "reference" TEXT NOT NULL,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ship_time" TIMESTAMPTZ(3),

    CONSTRAINT "transfers_pkey" PRIMARY KEY ("transfer_id"),
    CONSTRAINT "transfers_state_known" CHECK ("state" BETWEEN 1 AND 5),
    CONSTRAINT "transfers_between_two" CHECK ("source_location_id" <> "destination_location_id")
);

CREATE INDEX "transfers_state_transfer_id_idx" ON "transfers" ("state", "transfer_id");
CREATE INDEX "transfers_source_location_id_transfer_id_idx" ON "transfers" ("source_location_id", "transfer_id");
CREATE INDEX "transfers_destination_location_id_transfer_id_idx" ON "transfers" ("destination_location_id", "transfer_id");

CREATE TABLE "transfer_lines" (
    "transfer_id" UUID NOT NULL,
    "sku" TEXT COLLATE "C" NOT NULL,
    "lot_id" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "quantity" BIGINT NOT NULL,
    "accepted_quantity" BIGINT NOT NULL DEFAULT 0,
    "rejected_quantity" BIGINT NOT NULL DEFAULT 0,
    "returned_quantity" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "transfer_lines_pkey" PRIMARY KEY ("transfer_id", "sku", "lot_id"),
    CONSTRAINT "transfer_lines_conserve_units" CHECK (
        "quantity" > 0 AND "accepted_quantity" >= 0 AND "rejected_quantity" >= 0 AND "returned_quantity" >= 0
        AND "accepted_quantity" + "rejected_quantity" + "returned_quantity" <= "quantity"),
    CONSTRAINT "transfer_lines_transfer_id_fkey" FOREIGN KEY ("transfer_id") REFERENCES "transfers" ("transfer_id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Counts --------------------------------------------------------------------------------------------------------------------

CREATE TABLE "counts" (
    "count_id" UUID NOT NULL DEFAULT uuidv7(),
    "state" SMALLINT NOT NULL,
    "location_id" TEXT COLLATE "C" NOT NULL,
    "skus" TEXT[],
    "reference" TEXT NOT NULL,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "approve_time" TIMESTAMPTZ(3),

    CONSTRAINT "counts_pkey" PRIMARY KEY ("count_id"),
    CONSTRAINT "counts_state_known" CHECK ("state" BETWEEN 1 AND 3)
);

CREATE INDEX "counts_state_count_id_idx" ON "counts" ("state", "count_id");
CREATE INDEX "counts_location_id_count_id_idx" ON "counts" ("location_id", "count_id");

CREATE TABLE "count_lines" (
    "count_id" UUID NOT NULL,
    "sku" TEXT COLLATE "C" NOT NULL,
    "lot_id" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "expected_quantity" BIGINT NOT NULL,
    "counted_quantity" BIGINT NOT NULL,
    "count_time" TIMESTAMPTZ(3) NOT NULL,
    "actor" TEXT NOT NULL,

    CONSTRAINT "count_lines_pkey" PRIMARY KEY ("count_id", "sku", "lot_id"),
    CONSTRAINT "count_lines_counted_not_negative" CHECK ("counted_quantity" >= 0),
    CONSTRAINT "count_lines_count_id_fkey" FOREIGN KEY ("count_id") REFERENCES "counts" ("count_id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- What the runtime keeps is written with every reservation, in the order of time, and asked for by time only to be purged -----------

DROP INDEX "idempotency_keys_create_time_idx";
CREATE INDEX "idempotency_keys_create_time_idx" ON "idempotency_keys" USING brin ("create_time");

DROP INDEX "changes_by_time";
CREATE INDEX "changes_by_time" ON "changes" USING brin ("create_time");

-- Reservations that were planned ahead (src/reservations/planned.ts) ------------------------------------------------------------

-- Books reservations that were planned on what stock was seen a moment ago, if it still is there: the whole of CreateReservation for a
-- batch of callers, in one statement and one commit. Stock rows are locked in the one order of src/stock/lock.ts; what is
-- available is read once they are locked; callers are served in the order of the batch, each wholly or not at all. It knows of no
-- strategy, kit, lot or backorder: who needs those, or is refused here, is planned anew under lock (src/reservations/locked.ts).
--
-- Arrays that begin with `call_` have one entry for each caller, those with `level_` one for each stock row concerned, sorted; those with
-- `allocation_` name both by their number, from 1, and the stock row by its key as well: to look a text up in an array is to walk it.
--
-- Gives one row: when it was; the numbers of callers who are refused, of whom nothing remains; and the numbers of callers whose
-- request came before, with what was stored then; nothing where that is forgotten by now.
CREATE FUNCTION "reserve_planned"(
    "rpc_name" TEXT, "call_principal" TEXT[], "call_request_id" UUID[], "call_hash" BYTEA[], "call_response" BYTEA[],
    "call_id" UUID[], "call_ttl_ms" BIGINT[], "call_reference" TEXT[], "call_country" TEXT[],
    "level_sku" TEXT[], "level_location_id" TEXT[],
    "allocation_call" INTEGER[], "allocation_level" INTEGER[], "allocation_sku" TEXT[], "allocation_location_id" TEXT[],
    "allocation_quantity" BIGINT[],
    OUT "create_time" TIMESTAMPTZ, OUT "refused" INTEGER[],
    OUT "known" INTEGER[], OUT "known_hash" BYTEA[], OUT "known_response" BYTEA[], OUT "known_time" TIMESTAMPTZ[]
) LANGUAGE plpgsql AS $$
DECLARE
    claimed INTEGER;
    fresh BOOLEAN[];
    free BIGINT[];
    served TEXT[];
    to_countries BOOLEAN := array_to_string(call_country, '') <> '';
BEGIN
    -- Rounded as the columns round it: a parameter keeps no precision.
    create_time := now()::timestamptz(3);

    -- A duplicate whose first is under way waits for it here, before it holds anything.
    INSERT INTO idempotency_keys (rpc, principal, request_id, request_hash, response)
    SELECT rpc_name, k.principal, k.request_id, k.hash, k.response
    FROM unnest(call_principal, call_request_id, call_hash, call_response) AS k(principal, request_id, hash, response)
    ORDER BY k.principal COLLATE "C", k.request_id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS claimed = ROW_COUNT;
    IF claimed < cardinality(call_id) THEN
        SELECT array_agg(mine ORDER BY number), array_agg(number) FILTER (WHERE NOT mine), array_agg(request_hash) FILTER (WHERE NOT mine),
            array_agg(response) FILTER (WHERE NOT mine), array_agg(k.create_time) FILTER (WHERE NOT mine)
        INTO fresh, known, known_hash, known_response, known_time
        FROM (
            -- A row bears the number of the transaction that wrote it.
            SELECT k.number::integer, coalesce(i.xmin = pg_current_xact_id()::xid, false) AS mine, i.request_hash, i.response, i.create_time
            FROM unnest(call_principal, call_request_id) WITH ORDINALITY AS k(principal, request_id, number)
            LEFT JOIN idempotency_keys i ON i.rpc = rpc_name AND i.principal = k.principal AND i.request_id = k.request_id
        ) k;
    END IF;

    PERFORM FROM stock s
    JOIN unnest(level_sku, level_location_id) AS l(sku, location_id) ON s.sku = l.sku AND s.location_id = l.location_id
    ORDER BY s.sku, s.location_id
    FOR NO KEY UPDATE OF s;

    -- A statement of its own, so that it sees what those did who held the locks before.
    SELECT array_agg(CASE WHEN i.delete_time IS NULL AND NOT i.is_kit AND NOT i.lot_tracked AND NOT p.deactivated
        THEN s.on_hand - s.reserved - s.damaged - s.quality_control - s.safety ELSE -1 END ORDER BY l.number),
        array_agg(array_to_string(p.served_country_codes, ' ') ORDER BY l.number)
    INTO free, served
    FROM unnest(level_sku, level_location_id) WITH ORDINALITY AS l(sku, location_id, number)
    LEFT JOIN stock s ON s.sku = l.sku AND s.location_id = l.location_id
    LEFT JOIN items i ON i.sku = l.sku
    LEFT JOIN locations p ON p.location_id = l.location_id;

    SELECT array_agg(DISTINCT a.call) INTO refused
    FROM (
        SELECT call, level, sum(quantity) OVER (PARTITION BY level ORDER BY call) AS running
        FROM unnest(allocation_call, allocation_level, allocation_quantity) AS a(call, level, quantity)
        WHERE fresh IS NULL OR fresh[call]
    ) a
    WHERE a.running > coalesce(free[a.level], -1)
        OR (to_countries AND call_country[a.call] <> '' AND served[a.level] <> ''
            AND strpos(served[a.level], call_country[a.call]) = 0);

    IF refused IS NOT NULL THEN
        fresh := (
            SELECT array_agg((fresh IS NULL OR fresh[number]) AND number <> ALL (refused) ORDER BY number)
            FROM generate_series(1, cardinality(call_id)) AS number);
        DELETE FROM idempotency_keys i
        USING unnest(refused) AS r(call)
        WHERE i.rpc = rpc_name AND i.principal = call_principal[r.call] AND i.request_id = call_request_id[r.call];
    END IF;

    WITH booked AS (
        INSERT INTO reservations (reservation_id, state, expire_time, reference)
        SELECT c.id, 1, now() + c.ttl_ms * interval '1 millisecond', c.reference
        FROM unnest(call_id, call_ttl_ms, call_reference) WITH ORDINALITY AS c(id, ttl_ms, reference, number)
        WHERE fresh IS NULL OR fresh[c.number]
        RETURNING reservation_id
    ), allocated AS (
        INSERT INTO allocations (reservation_id, sku, location_id, quantity)
        SELECT call_id[a.call], a.sku, a.location_id, a.quantity
        FROM unnest(allocation_call, allocation_sku, allocation_location_id, allocation_quantity)
          AS a(call, sku, location_id, quantity)
        WHERE fresh IS NULL OR fresh[a.call]
        RETURNING sku, location_id, quantity
    ), taken AS MATERIALIZED (
        SELECT sku, location_id, sum(quantity)::bigint AS quantity FROM allocated GROUP BY sku, location_id
    ), told AS (
        INSERT INTO changes (topic, key, payload)
        SELECT 'stock', sku || ' ' || location_id, ''::bytea FROM taken
        UNION ALL
        SELECT 'reservations', reservation_id::text, ''::bytea FROM booked
    )
    UPDATE stock s SET reserved = s.reserved + t.quantity, update_time = now()
    FROM taken t WHERE s.sku = t.sku AND s.location_id = t.location_id;
END
$$;
