/**
 * The categories: a list at the side, a row of chips on a narrow screen. The chosen one shows what is below it.
 */

import { Link } from '../app/router.tsx';
import { useCategories } from './item-queries.ts';
import { categoryLabel, pathOf, type Search } from './search.ts';

export function CategoryNav({ search }: { search: Search }) {
  const categories = useCategories();
  const chosenTop = search.category.split('/')[0] ?? '';
  return (
    <nav className="categories" aria-label="Categories">
      <ul>
        <li>
          <Link href={pathOf({ ...search, category: '' })} aria-current={search.category === '' ? 'true' : undefined}>
            Everything
          </Link>
        </li>
        {categories.data?.map(({ path, count, children }) => (
          <li key={path}>
            <Link
              href={pathOf({ ...search, category: path })}
              aria-current={search.category === path ? 'true' : undefined}
              data-open={path === chosenTop}
            >
              {categoryLabel(path)} <span className="count">{count}</span>
            </Link>
            {path === chosenTop && (
              <ul>
                {children.map((child) => (
                  <li key={child.path}>
                    <Link
                      href={pathOf({ ...search, category: child.path })}
                      aria-current={search.category === child.path ? 'true' : undefined}
                    >
                      {categoryLabel(child.path.slice(path.length + 1))} <span className="count">{child.count}</span>
                    </Link>
                  </li>
                ))}
              </ul>
            )}
          </li>
        ))}
      </ul>
    </nav>
  );
}
