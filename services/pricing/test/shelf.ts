/**
 * A stand-in for inventory's ItemService, for what the real one does only when things go wrong: it can be switched off in the
 * middle, forget its history, and lose items unseen. It listens on a Unix socket, so that it comes back where it was.
 */

import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { timestampNow } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { type Item, ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { fail } from '@weft/runtime/errors/fail';
import { implement } from '@weft/runtime/server/implement';
import { type RunningServer, serve } from '@weft/runtime/server/serve';

type ItemInit = { name?: string; taxCategory?: string };

/** The stand-in, and what a test does with it. */
export class Shelf {
  /** Where it listens: the egress of a pricing under test. */
  readonly egress: string;
  /** How often items were asked for one by one rather than watched. */
  batchGets = 0;
  /** Tokens with which streams were opened, oldest first. */
  readonly opened: string[] = [];
  readonly #folder: string;
  readonly #items = new Map<string, Item>();
  readonly #log: string[] = [];
  readonly #events = new EventEmitter().setMaxListeners(0);
  /** Changes before this one are forgotten. */
  #horizon = 0;
  #server: RunningServer | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    this.egress = `unix:${join(folder, 'inventory.sock')}`;
  }

  static async start(): Promise<Shelf> {
    const shelf = new Shelf(await mkdtemp(join(tmpdir(), 'weft-shelf-')));
    await shelf.switchOn();
    return shelf;
  }

  async switchOn(): Promise<void> {
    const listen = this.egress;
    const services = [implement(ItemService, this.#implementation())];
    this.#server = await serve({ workload: 'inventory', listen, policy: policies, services });
  }

  /** Calls that are open fail, and nobody listens any more. */
  async switchOff(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    await this.switchOff();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Puts an item on the shelf, or another in its place. */
  put(sku: string, { name = `Item ${sku}`, taxCategory = 'standard' }: ItemInit = {}): void {
    this.putUnseen(sku, { name, taxCategory });
    this.#log.push(sku);
    this.#events.emit('changed');
  }

  /** Puts an item where the stream does not show it. */
  putUnseen(sku: string, { name = `Item ${sku}`, taxCategory = 'standard' }: ItemInit = {}): void {
    this.#items.set(sku, create(ItemSchema, { sku, name, taxCategory, updateTime: timestampNow() }));
  }

  take(sku: string): void {
    this.takeUnseen(sku);
    this.#log.push(sku);
    this.#events.emit('changed');
  }

  /** Takes an item away without telling anybody, as a database does that was restored from a backup. */
  takeUnseen(sku: string): void {
    this.#items.delete(sku);
  }

  /** Tokens that were given are worth nothing from now on. */
  forgetHistory(): void {
    this.#log.push('');
    this.#horizon = this.#log.length;
  }

  #implementation(): ServiceImpl<typeof ItemService> {
    const refuse = () => {
      throw fail('UNKNOWN_RPC');
    };
    return {
      getItem: refuse,
      listItems: refuse,
      createItem: refuse,
      updateItem: refuse,
      deleteItem: refuse,
      undeleteItem: refuse,
      batchGetItems: ({ skus }) => {
        this.batchGets += 1;
        return { items: skus.flatMap((sku) => this.#items.get(sku) ?? []) };
      },
      watchItems: ({ resumeToken }, { signal }) => this.#watch(resumeToken, signal),
    };
  }

  async *#watch(resumeToken: string, signal: AbortSignal) {
    this.opened.push(resumeToken);
    let seen = this.#log.length;
    if (resumeToken === '') {
      for (const value of [...this.#items.values()]) {
        yield { resumeToken: `within-${value.sku}`, event: { case: 'changed' as const, value } };
      }
    } else {
      seen = Number(resumeToken.slice('after-'.length));
      if (seen < this.#horizon) {
        throw fail('WATCH_HISTORY_GONE');
      }
    }
    yield { resumeToken: `after-${seen}`, event: { case: 'bookmark' as const, value: { atTime: timestampNow() } } };
    for (;;) {
      while (seen < this.#log.length) {
        const sku = this.#log[seen] ?? '';
        seen += 1;
        const value = this.#items.get(sku);
        yield {
          resumeToken: `after-${seen}`,
          event:
            value === undefined ? { case: 'deletedSku' as const, value: sku } : { case: 'changed' as const, value },
        };
      }
      await once(this.#events, 'changed', { signal });
    }
  }
}
