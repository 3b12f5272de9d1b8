/**
 * CountService: what its RPCs are made of.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  ApproveCountResponseSchema,
  CountService,
  CreateCountResponseSchema,
  ListCountsRequestSchema,
  SubmitCountResponseSchema,
} from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { actor, mutate } from '@weft/runtime/data/mutation';
import { CURSOR, closePage, openPage } from '@weft/runtime/data/page';
import type { Database } from '../database.ts';
import { type CountRow, countMessage, listCounts, readCount } from './count.ts';
import { approveCount, createCount, submitCount } from './write.ts';

const { method } = CountService;

/** SKUs that a page names, at most unless one count has more, so that it can be sent: they are up to 64 bytes each. */
const MAX_SKUS_PER_PAGE = 40_000;

/** Makes the service on a database. */
export function countService({ pool, sql }: Database): ServiceImpl<typeof CountService> {
  return {
    createCount: (request) =>
      mutate(pool, method.createCount, request, async (tx) =>
        create(CreateCountResponseSchema, { count: await createCount(tx, request) }),
      ),

    submitCount: (request) =>
      mutate(pool, method.submitCount, request, async (tx) =>
        create(SubmitCountResponseSchema, { count: await submitCount(tx, request, actor()) }),
      ),

    approveCount: (request) =>
      mutate(pool, method.approveCount, request, async (tx) =>
        create(ApproveCountResponseSchema, { count: await approveCount(tx, request, actor()) }),
      ),

    async getCount({ countId }) {
      return { count: await readCount(sql, countId) };
    },

    async listCounts(request) {
      const asked = openPage(ListCountsRequestSchema, request, [CURSOR.uuid]);
      const rows = await listCounts(sql, request, asked.after?.[0], asked.size + 1);
      const page = { ...asked, size: Math.min(asked.size, fitting(rows)) };
      const { entries, nextPageToken } = closePage(ListCountsRequestSchema, request, page, rows, (last) => [
        last.count_id,
      ]);
      return { counts: entries.map(countMessage), nextPageToken };
    },
  };
}

/** How many of the counts fit on a page; at least one. */
function fitting(rows: readonly CountRow[]): number {
  let skus = 0;
  const end = rows.findIndex((row) => {
    skus += row.skus.length;
    return skus > MAX_SKUS_PER_PAGE;
  });
  return end === -1 ? rows.length : Math.max(1, end);
}
