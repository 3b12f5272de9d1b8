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
import { CURSOR, closePage, fitPage, openPage } from '@weft/runtime/data/page';
import type { Database } from '../database.ts';
import { countMessage, listCounts, readCount } from './count.ts';
import { approveCount, createCount, submitCount } from './write.ts';

const { method } = CountService;

/** SKUs on a page, at most: they are up to 64 bytes each. */
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
      const page = fitPage(asked, rows, ({ skus }) => skus.length, MAX_SKUS_PER_PAGE);
      const { entries, nextPageToken } = closePage(ListCountsRequestSchema, request, page, rows, (last) => [
        last.count_id,
      ]);
      return { counts: entries.map(countMessage), nextPageToken };
    },
  };
}
