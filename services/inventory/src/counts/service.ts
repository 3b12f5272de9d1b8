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
import { sqlOn } from '@weft/runtime/data/pool';
import type { Database } from '../database.ts';
import { approve } from './approve.ts';
import { listCounts, readCount } from './count.ts';
import { openCount } from './open.ts';
import { submit } from './submit.ts';

const { method } = CountService;

/** Comes after every id. */
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Makes the service on a database. */
export function countService({ pool }: Database): ServiceImpl<typeof CountService> {
  const sql = sqlOn(pool);
  return {
    createCount: (request) =>
      mutate(pool, method.createCount, request, async (tx) =>
        create(CreateCountResponseSchema, { count: await openCount(tx, request) }),
      ),

    submitCount: (request) =>
      mutate(pool, method.submitCount, request, async (tx) =>
        create(SubmitCountResponseSchema, { count: await submit(tx, request, actor()) }),
      ),

    approveCount: (request) =>
      mutate(pool, method.approveCount, request, async (tx) =>
        create(ApproveCountResponseSchema, { count: await approve(tx, request.countId, actor()) }),
      ),

    async getCount({ countId }) {
      return { count: await readCount(sql, countId) };
    },

    async listCounts(request) {
      const page = openPage(ListCountsRequestSchema, request, [CURSOR.uuid]);
      const { state, locationId } = request;
      const before = page.after?.[0] ?? LAST_ID;
      const read = await listCounts(sql, { state, locationId, before, limit: page.size + 1 });
      const { entries, nextPageToken } = closePage(ListCountsRequestSchema, request, page, read, (last) => [
        last.countId,
      ]);
      return { counts: [...entries], nextPageToken };
    },
  };
}
