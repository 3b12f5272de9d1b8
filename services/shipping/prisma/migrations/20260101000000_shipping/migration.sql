-- Shipping's first schema. The tables are those of schema.prisma; at the end stands what Prisma's language cannot say. Instants are
-- timestamptz(3): whole milliseconds are what clients get, so nothing is lost between the two.

-- CreateTable
CREATE TABLE "carriers" (
    "carrier_id" TEXT NOT NULL,
    "revision" BIGINT NOT NULL DEFAULT 1,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "carriers_pkey" PRIMARY KEY ("carrier_id")
);

-- CreateTable
CREATE TABLE "carrier_services" (
    "carrier_id" TEXT NOT NULL,
    "service_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "dimensional_divisor" INTEGER NOT NULL,
    "min_transit_days" INTEGER NOT NULL,
    "max_transit_days" INTEGER NOT NULL,

    CONSTRAINT "carrier_services_pkey" PRIMARY KEY ("carrier_id","service_id")
);

-- CreateTable
CREATE TABLE "carrier_zones" (
    "carrier_id" TEXT NOT NULL,
    "service_id" TEXT NOT NULL,
    "origin_country_code" TEXT NOT NULL,
    "destination_country_code" TEXT NOT NULL,
    "postal_prefix" TEXT NOT NULL,
    "zone" TEXT NOT NULL,

    CONSTRAINT "carrier_zones_pkey" PRIMARY KEY ("carrier_id","service_id","origin_country_code","destination_country_code","postal_prefix")
);

-- CreateTable
CREATE TABLE "carrier_rates" (
    "carrier_id" TEXT NOT NULL,
    "service_id" TEXT NOT NULL,
    "zone" TEXT NOT NULL,
    "currency_code" TEXT NOT NULL,
    "max_weight_grams" INTEGER NOT NULL,
    "minor_units" BIGINT NOT NULL,

    CONSTRAINT "carrier_rates_pkey" PRIMARY KEY ("carrier_id","service_id","zone","currency_code","max_weight_grams")
);

-- CreateTable
CREATE TABLE "cartons" (
    "carton_id" TEXT NOT NULL,
    "length_mm" INTEGER NOT NULL,
    "width_mm" INTEGER NOT NULL,
    "height_mm" INTEGER NOT NULL,
    "tare_grams" INTEGER NOT NULL,
    "max_content_grams" INTEGER NOT NULL,

    CONSTRAINT "cartons_pkey" PRIMARY KEY ("carton_id")
);

-- CreateTable
CREATE TABLE "signing_keys" (
    "name" TEXT NOT NULL,
    "secret" BYTEA NOT NULL,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "signing_keys_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "checkouts" (
    "quote_id" UUID NOT NULL,
    "customer_id" TEXT NOT NULL,
    "lines" JSONB NOT NULL,
    "destination" JSONB NOT NULL,
    "rate" JSONB NOT NULL,
    "packages" JSONB NOT NULL,
    "allocations" JSONB NOT NULL,
    "currency_code" TEXT NOT NULL,
    "total_minor_units" BIGINT NOT NULL,
    "expire_time" TIMESTAMPTZ(3) NOT NULL,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "checkouts_pkey" PRIMARY KEY ("quote_id")
);

-- CreateTable
CREATE TABLE "shipments" (
    "shipment_id" UUID NOT NULL DEFAULT uuidv7(),
    "state" SMALLINT NOT NULL,
    "customer_id" TEXT NOT NULL,
    "quote_id" UUID NOT NULL,
    "reservation_id" UUID,
    "lines" JSONB NOT NULL,
    "destination" JSONB NOT NULL,
    "rate" JSONB NOT NULL,
    "packages" JSONB NOT NULL,
    "allocations" JSONB NOT NULL,
    "currency_code" TEXT NOT NULL,
    "total_minor_units" BIGINT NOT NULL,
    "failure_reason" TEXT NOT NULL DEFAULT '',
    "failure_message" TEXT NOT NULL DEFAULT '',
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "update_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "shipments_pkey" PRIMARY KEY ("shipment_id")
);

-- CreateTable
CREATE TABLE "sagas" (
    "saga_id" UUID NOT NULL DEFAULT uuidv7(),
    "shipment_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "step" TEXT NOT NULL,
    "principal" TEXT NOT NULL,
    "request_id" UUID NOT NULL,
    "request_hash" BYTEA NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "give_up_time" TIMESTAMPTZ(3) NOT NULL,
    "lease_owner" TEXT NOT NULL,
    "lease_until" TIMESTAMPTZ(3) NOT NULL,
    "fencing_token" BIGINT NOT NULL DEFAULT 1,
    "failure" JSONB,
    "response" BYTEA,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "done_time" TIMESTAMPTZ(3),

    CONSTRAINT "sagas_pkey" PRIMARY KEY ("saga_id")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "rpc" TEXT NOT NULL,
    "principal" TEXT NOT NULL,
    "request_id" UUID NOT NULL,
    "request_hash" BYTEA NOT NULL,
    "response" BYTEA NOT NULL DEFAULT '\x',
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("rpc","principal","request_id")
);

-- CreateIndex
CREATE INDEX "carrier_zones_origin_country_code_destination_country_code_idx" ON "carrier_zones"("origin_country_code", "destination_country_code");

-- CreateIndex
CREATE INDEX "checkouts_expire_time_idx" ON "checkouts"("expire_time");

-- CreateIndex
CREATE INDEX "shipments_customer_id_shipment_id_idx" ON "shipments"("customer_id", "shipment_id");

-- CreateIndex
CREATE INDEX "sagas_shipment_id_idx" ON "sagas"("shipment_id");

-- CreateIndex
CREATE UNIQUE INDEX "sagas_kind_principal_request_id_key" ON "sagas"("kind", "principal", "request_id");

-- CreateIndex
CREATE INDEX "idempotency_keys_create_time_idx" ON "idempotency_keys"("create_time");

-- AddForeignKey
ALTER TABLE "carrier_services" ADD CONSTRAINT "carrier_services_carrier_id_fkey" FOREIGN KEY ("carrier_id") REFERENCES "carriers"("carrier_id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "carrier_zones" ADD CONSTRAINT "carrier_zones_carrier_id_service_id_fkey" FOREIGN KEY ("carrier_id", "service_id") REFERENCES "carrier_services"("carrier_id", "service_id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "carrier_rates" ADD CONSTRAINT "carrier_rates_carrier_id_service_id_fkey" FOREIGN KEY ("carrier_id", "service_id") REFERENCES "carrier_services"("carrier_id", "service_id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "sagas" ADD CONSTRAINT "sagas_shipment_id_fkey" FOREIGN KEY ("shipment_id") REFERENCES "shipments"("shipment_id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- Nothing below its least: backstops behind the contract's own bounds.
ALTER TABLE "carrier_services" ADD CONSTRAINT "carrier_services_sane"
    CHECK ("dimensional_divisor" >= 0 AND 0 <= "min_transit_days" AND "min_transit_days" <= "max_transit_days");
ALTER TABLE "carrier_rates" ADD CONSTRAINT "carrier_rates_not_negative" CHECK ("minor_units" >= 0 AND "max_weight_grams" > 0);
ALTER TABLE "cartons" ADD CONSTRAINT "cartons_positive"
    CHECK ("length_mm" > 0 AND "width_mm" > 0 AND "height_mm" > 0 AND "tare_grams" >= 0 AND "max_content_grams" > 0);

-- There is one signing key.
ALTER TABLE "signing_keys" ADD CONSTRAINT "signing_keys_only" CHECK ("name" = 'rate-id' AND octet_length("secret") = 32);

-- A quote places one order; one that failed (6) gives the quote free again.
CREATE UNIQUE INDEX "shipments_quote_once" ON "shipments" ("quote_id") WHERE "state" <> 6;

-- One piece of work on a shipment at a time, and what is due at a glance.
CREATE UNIQUE INDEX "sagas_one_open" ON "sagas" ("shipment_id") WHERE "done_time" IS NULL;
CREATE INDEX "sagas_due" ON "sagas" ("next_attempt_time") WHERE "done_time" IS NULL;
ALTER TABLE "sagas" ADD CONSTRAINT "sagas_known" CHECK (
    ("kind" = 'PLACE' AND "step" IN ('RESERVE', 'ACCEPT', 'CONFIRM', 'UNDO_ACCEPT', 'UNDO_RESERVE', 'DONE'))
    OR ("kind" = 'CANCEL' AND "step" IN ('RELEASE', 'VOID', 'DONE')));
-- Work that is done has an answer for its caller, and exactly one.
ALTER TABLE "sagas" ADD CONSTRAINT "sagas_answered" CHECK (
    ("done_time" IS NOT NULL) = ("step" = 'DONE') AND ("step" <> 'DONE' OR ("failure" IS NULL) <> ("response" IS NULL)));

-- The log of changes behind WatchShipments (runtime/src/data/README.md); Prisma has no xid8.
CREATE TABLE "changes" (
    "position" BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "transaction" XID8 NOT NULL DEFAULT pg_current_xact_id(),
    "topic" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "payload" BYTEA NOT NULL,
    "create_time" TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX "changes_order" ON "changes" ("transaction", "position");
CREATE INDEX "changes_by_time" ON "changes" ("create_time");
-- How far changes were forgotten: one row, or none.
CREATE TABLE "changes_horizon" (
    "id" BOOLEAN PRIMARY KEY CHECK ("id"),
    "transaction" XID8 NOT NULL
);
