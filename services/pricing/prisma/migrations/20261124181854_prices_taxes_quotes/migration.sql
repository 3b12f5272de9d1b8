-- CreateTable
CREATE TABLE "prices" (
    "price_id" BIGSERIAL NOT NULL,
    "sku" TEXT NOT NULL,
    "currency_code" TEXT NOT NULL,
    "min_quantity" BIGINT NOT NULL,
    "unit_minor_units" BIGINT NOT NULL,
    "tax_inclusive" BOOLEAN NOT NULL,
    "start_time" TIMESTAMPTZ(6),
    "end_time" TIMESTAMPTZ(6),

    CONSTRAINT "prices_pkey" PRIMARY KEY ("price_id")
);

-- CreateTable
CREATE TABLE "tax_rates" (
    "tax_rate_id" UUID NOT NULL DEFAULT uuidv7(),
    "jurisdiction" TEXT NOT NULL,
    "tax_category" TEXT NOT NULL,
    "rate_ppm" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "start_time" TIMESTAMPTZ(6) NOT NULL,
    "end_time" TIMESTAMPTZ(6),
    "etag" UUID NOT NULL DEFAULT uuidv7(),

    CONSTRAINT "tax_rates_pkey" PRIMARY KEY ("tax_rate_id")
);

-- CreateTable
CREATE TABLE "quotes" (
    "quote_id" UUID NOT NULL,
    "content" BYTEA NOT NULL,
    "customer_id" TEXT NOT NULL,
    "state" SMALLINT NOT NULL DEFAULT 1,
    "reference" TEXT NOT NULL DEFAULT '',
    "expire_time" TIMESTAMPTZ(6) NOT NULL,
    "create_time" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "quotes_pkey" PRIMARY KEY ("quote_id")
);

-- CreateTable
CREATE TABLE "items" (
    "sku" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "tax_category" TEXT NOT NULL,
    "deleted" BOOLEAN NOT NULL,
    "update_time" TIMESTAMPTZ(6) NOT NULL,
    "listing" BIGINT NOT NULL,

    CONSTRAINT "items_pkey" PRIMARY KEY ("sku")
);

-- CreateTable
CREATE TABLE "item_copy" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    "resume_token" TEXT NOT NULL DEFAULT '',
    "listing" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "item_copy_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "price_book" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    "revision" BIGINT NOT NULL DEFAULT 0,
    "told_until" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "price_book_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "rpc" TEXT NOT NULL,
    "principal" TEXT NOT NULL,
    "request_id" UUID NOT NULL,
    "request_hash" BYTEA NOT NULL,
    "response" BYTEA NOT NULL DEFAULT '\x'::bytea,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("rpc","principal","request_id")
);

-- CreateIndex
CREATE INDEX "tax_rates_jurisdiction_tax_category_start_time_idx" ON "tax_rates"("jurisdiction", "tax_category", "start_time");

-- CreateIndex
CREATE INDEX "idempotency_keys_create_time_idx" ON "idempotency_keys"("create_time");

-- What Prisma's language cannot say.

ALTER TABLE prices
  ADD CONSTRAINT prices_bounds CHECK (unit_minor_units >= 0 AND min_quantity >= 1),
  ADD CONSTRAINT prices_interval CHECK (end_time > start_time);
CREATE UNIQUE INDEX prices_key ON prices (sku, currency_code, min_quantity, start_time) NULLS NOT DISTINCT;
CREATE INDEX prices_by_start ON prices (start_time) WHERE start_time IS NOT NULL;
CREATE INDEX prices_by_end ON prices (end_time) WHERE end_time IS NOT NULL;

CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE tax_rates
  ADD CONSTRAINT tax_rates_bounds CHECK (rate_ppm BETWEEN 0 AND 1000000),
  ADD CONSTRAINT tax_rates_interval CHECK (end_time > start_time),
  ADD CONSTRAINT tax_rates_no_overlap
    EXCLUDE USING gist (jurisdiction WITH =, tax_category WITH =, tstzrange(start_time, end_time) WITH &&);

ALTER TABLE quotes ADD CONSTRAINT quotes_state CHECK (state BETWEEN 1 AND 3);

ALTER TABLE item_copy ADD CONSTRAINT item_copy_one CHECK (id);
ALTER TABLE price_book ADD CONSTRAINT price_book_one CHECK (id);
INSERT INTO item_copy DEFAULT VALUES;
INSERT INTO price_book DEFAULT VALUES;

-- The log of changes: runtime/src/data/README.md.
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
