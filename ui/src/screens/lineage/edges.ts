/** Names of edges, as the address has them, and of nodes, as people do. Pure. */

import type { Edge, Node } from "../../api/schema";

export const edgeKey = (edge: Edge) => `${edge.parent_trace_id}>${edge.trace_id}`;

/** What made a node, or the dataset that it is; nothing where neither is told. */
export const nameOf = (node: Node) => node.stages[0]?.operation ?? node.dataset?.name;
