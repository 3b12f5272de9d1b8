-- CreateTable
CREATE TABLE "prices" (
    "sku" TEXT NOT NULL,
    "currency_code" TEXT NOT NULL,
    "min_quantity" BIGINT NOT NULL,
    "start_time" TIMESTAMPTZ(3) NOT NULL,
    "end_time" TIMESTAMPTZ(3),
    "unit_minor_units" BIGINT NOT NULL,
    "tax_inclusive" BOOLEAN NOT NULL,

    CONSTRAINT "prices_pkey" PRIMARY KEY ("sku","currency_code","min_quantity","start_time")
);

-- CreateTable
CREATE TABLE "tax_rates" (
    "tax_rate_id" UUID NOT NULL DEFAULT uuidv7(),
    "jurisdiction" TEXT NOT NULL,
    "tax_category" TEXT NOT NULL,
    "rate_ppm" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "start_time" TIMESTAMPTZ(3) NOT NULL,
    "end_time" TIMESTAMPTZ(3),
    "etag" UUID NOT NULL DEFAULT uuidv7(),

    CONSTRAINT "tax_rates_pkey" PRIMARY KEY ("tax_rate_id")
);

-- CreateTable
CREATE TABLE "quotes" (
    "quote_id" UUID NOT NULL,
    "content" BYTEA NOT NULL,
    "state" SMALLINT NOT NULL,
    "reference" TEXT NOT NULL DEFAULT '',
    "expire_time" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "quotes_pkey" PRIMARY KEY ("quote_id")
);

-- CreateTable
CREATE TABLE "items" (
    "sku" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "tax_category" TEXT NOT NULL,
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
    "response" BYTEA NOT NULL DEFAULT '\x',
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("rpc","principal","request_id")
);

-- CreateTable
CREATE TABLE "changes" (
    "position" BIGSERIAL NOT NULL,
    "transaction" xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "topic" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "payload" BYTEA NOT NULL,
    "create_time" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "changes_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "changes_horizon" (
    "id" BOOLEAN NOT NULL,
    "transaction" xid8 NOT NULL,

    CONSTRAINT "changes_horizon_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "prices_start_time_idx" ON "prices"("start_time");

-- CreateIndex
CREATE INDEX "prices_end_time_idx" ON "prices"("end_time");

-- CreateIndex
CREATE INDEX "tax_rates_jurisdiction_tax_category_start_time_idx" ON "tax_rates"("jurisdiction", "tax_category", "start_time");

-- CreateIndex
CREATE INDEX "quotes_expire_time_idx" ON "quotes"("expire_time");

-- CreateIndex
CREATE INDEX "idempotency_keys_create_time_idx" ON "idempotency_keys"("create_time");

-- CreateIndex
CREATE INDEX "changes_order" ON "changes"("transaction", "position");

-- CreateIndex
CREATE INDEX "changes_by_time" ON "changes"("create_time");

-- What Prisma's language cannot say.

ALTER TABLE prices
  ADD CONSTRAINT prices_bounds CHECK (unit_minor_units BETWEEN 0 AND 1000000000000 AND min_quantity >= 1),
  ADD CONSTRAINT prices_interval CHECK (end_time > start_time);

-- A trusted extension: the owner of the database may create it.
CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE tax_rates
  ADD CONSTRAINT tax_rates_bounds CHECK (rate_ppm BETWEEN 0 AND 1000000),
  ADD CONSTRAINT tax_rates_interval CHECK (end_time > start_time),
  ADD CONSTRAINT tax_rates_no_overlap
    EXCLUDE USING gist (jurisdiction WITH =, tax_category WITH =, tstzrange(start_time, end_time) WITH &&);

ALTER TABLE quotes ADD CONSTRAINT quotes_state CHECK (state BETWEEN 1 AND 4);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a quote is immutable';
END $$;
CREATE TRIGGER quotes_immutable BEFORE UPDATE ON quotes FOR EACH ROW
  WHEN ((OLD.quote_id, OLD.content, OLD.expire_time) IS DISTINCT FROM (NEW.quote_id, NEW.content, NEW.expire_time))
  EXECUTE FUNCTION refuse_change();

ALTER TABLE item_copy ADD CONSTRAINT item_copy_one CHECK (id);
ALTER TABLE price_book ADD CONSTRAINT price_book_one CHECK (id);
INSERT INTO item_copy DEFAULT VALUES;
INSERT INTO price_book DEFAULT VALUES;

ALTER TABLE changes_horizon ADD CONSTRAINT changes_horizon_one CHECK (id);
