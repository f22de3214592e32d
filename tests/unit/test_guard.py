"""What the guard lets through and what it refuses, on the trees of the engine's own parser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine import functions
from clew.store.engine.allowlist import QUERY, select_allowed
from clew.store.engine.guard import Rules, check, is_allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

RULES = Rules(
    database="otel",
    tables=frozenset({"otel_traces", "otel_logs"}),
    functions_known=frozenset({"file", "hostname", "upper", "arraymap", "version", "sleep"}),
)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The embedded engine without a store."""
    client = clickhouse_connect.get_client(dsn="chdb://memory")
    yield client
    client.close()


@pytest.fixture(scope="module")
def parse(client: Client) -> Callable[[str], dict[str, Any]]:
    def parse(sql: str) -> dict[str, Any]:
        rows = client.query("SELECT parseQueryToJSON({sql:String})", parameters={"sql": sql})
        tree: dict[str, Any] = json.loads(rows.result_rows[0][0])
        return tree

    return parse


ORDINARY = [
    "SELECT 1",
    "SELECT count() FROM otel_traces",
    "SELECT count(*) FROM otel.otel_traces AS t WHERE t.Duration > 1e6",
    "SELECT DISTINCT ServiceName FROM otel_traces ORDER BY ServiceName ASC NULLS LAST LIMIT 5, 10",
    "SELECT ServiceName, quantiles(0.5, 0.99)(Duration) FROM otel_traces GROUP BY ServiceName",
    "SELECT countIf(StatusCode = 'Error') / count() AS rate FROM otel_traces HAVING rate > 0.1",
    "SELECT sumMapMerge(s) FROM (SELECT sumMapState([1], [2]) AS s)",
    "SELECT argMaxOrNullIf(SpanName, Duration, Duration > 5) FROM otel_traces",
    "SELECT SpanAttributes['http.route'] AS route, uniq(TraceId) FROM otel_traces GROUP BY route",
    (
        "SELECT toStartOfInterval(Timestamp, INTERVAL 5 MINUTE) AS t, avg(Duration)"
        " FROM otel_traces GROUP BY t ORDER BY t"
        " WITH FILL STEP INTERVAL 5 MINUTE INTERPOLATE (t AS t)"
    ),
    (
        "WITH slow AS (SELECT TraceId FROM otel_traces WHERE Duration > 1000)"
        " SELECT * FROM otel_logs WHERE TraceId IN slow"
    ),
    "WITH 5 AS k, (x -> x + k) AS f SELECT arrayMap(f, [1, 2])",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r",
    "SELECT * FROM otel_traces WHERE TraceId IN (SELECT TraceId FROM otel_logs)",
    "SELECT * FROM otel_traces WHERE TraceId IN ('a', 'b') AND ParentSpanId NOT IN ('c')",
    (
        "SELECT s.SpanName, l.Body FROM otel_traces s ASOF LEFT JOIN otel_logs l"
        " ON s.TraceId = l.TraceId AND s.Timestamp <= l.Timestamp"
    ),
    "SELECT * FROM otel_traces a, otel_logs b WHERE a.TraceId = b.TraceId",
    "SELECT SpanName, `Events.Name`[1], e FROM otel_traces LEFT ARRAY JOIN `Events.Name` AS e",
    (
        "SELECT row_number() OVER w, lagInFrame(Duration) OVER (PARTITION BY ServiceName ORDER BY"
        " Timestamp ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM otel_traces WINDOW w AS"
        " (ORDER BY Timestamp) QUALIFY row_number() OVER w < 3"
    ),
    "SELECT * EXCEPT (Frame), * REPLACE (upper(SpanName) AS SpanName) FROM otel_traces",
    "SELECT COLUMNS('Id$') APPLY(upper), * APPLY(x -> toString(x)) FROM otel_traces",
    "SELECT CASE ServiceName WHEN 'a' THEN 1 ELSE 2 END, CASE WHEN 1 THEN 2 END, Duration ? 1 : 2",
    "SELECT Duration::Float64, CAST(Duration AS String), accurateCastOrNull(Body, 'UInt8')",
    "SELECT 1 UNION ALL SELECT 2 UNION DISTINCT SELECT 3",
    "SELECT 1 INTERSECT SELECT 1 EXCEPT SELECT 2",
    "SELECT ServiceName, count() FROM otel_traces GROUP BY ROLLUP(ServiceName) WITH TOTALS",
    "SELECT count() FROM otel_traces GROUP BY GROUPING SETS ((ServiceName), (SpanName))",
    "SELECT arrayReduce('sum', [1, 2]), arrayFold((a, x) -> a + x, [1], 0), arraySum([1])",
    "SELECT arrayMap(upper, ['a'])",
    "SELECT mapApply((k, v) -> (k, upper(v)), SpanAttributes) FROM otel_traces",
    "SELECT number FROM numbers(10) LIMIT 1 BY number % 3",
    "SELECT EXISTS (SELECT 1), (SELECT max(Duration) FROM otel_traces), NOT 1 IN (2)",
    "SELECT * FROM otel_traces PREWHERE Duration > 1 WHERE Body LIKE '%x%' OR Body ILIKE 'y'",
    "SELECT substring(Body FROM 1 FOR 2), trim(BOTH ' ' FROM Body), EXTRACT(YEAR FROM Timestamp)",
    "SELECT [1, 2][1], (1, 'a').2, map('a', 1), NULL, true, -1.5, 'it''s', $$dollar$$",
    "SELECT 'SELECT file(''/etc/passwd''); DROP TABLE x' AS text -- a comment\n /* another */",
    "FROM otel_traces SELECT SpanName",
    "EXPLAIN SELECT 1",
    "EXPLAIN indexes = 1, actions = 0 SELECT count() FROM otel_traces",
    # Names that are also functions' which may not be called.
    "SELECT file, hostname, version FROM (SELECT 1 AS file, 2 AS hostname, 3 AS version)",
    "SELECT upper(file) AS version FROM (SELECT 'a' AS file) GROUP BY file ORDER BY version",
    "SELECT `sleep` AS file FROM (SELECT 1 AS `sleep`) WHERE `sleep` > 0",
]


@pytest.mark.parametrize("sql", ORDINARY)
def test_ordinary_statements_pass(parse: Callable[[str], dict[str, Any]], sql: str) -> None:
    check(parse(sql), RULES)


REFUSED = [
    ("SELECT file('/etc/passwd')", "the function file"),
    ("SELECT FILE('/etc/passwd')", "the function FILE"),
    ("SELECT `fil\\x65`('/etc/passwd')", "the function file"),
    ("SELECT fileIf('a', 1)", "the function fileIf"),
    ("SELECT upper(concat('a', file('b')))", "the function file"),
    ("SELECT arrayMap(x -> file(x), ['a'])", "the function file"),
    ("SELECT arrayMap(file, ['a'])", "the function file"),
    ("WITH file AS f SELECT arrayMap(f, ['a'])", "the function file"),
    ("WITH file AS f, f AS g SELECT arrayMap(g, ['a'])", "the function file"),
    ("WITH (x -> file(x)) AS f SELECT arrayMap(f, ['a'])", "the function file"),
    ("SELECT * APPLY(file) FROM otel_traces", "the function file"),
    ("SELECT COLUMNS('a') APPLY(x -> file(x)) FROM otel_traces", "the function file"),
    ("SELECT * REPLACE (file('x') AS a) FROM otel_traces", "the function file"),
    ("SELECT 1 ORDER BY file('x')", "the function file"),
    ("SELECT 1 LIMIT length(file('x'))", "the function file"),
    ("SELECT sum(1) OVER (ORDER BY file('x'))", "the function file"),
    ("SELECT count() FROM otel_traces GROUP BY GROUPING SETS ((file('x')))", "the function file"),
    ("SELECT 1 FROM otel_traces a JOIN otel_logs b ON file('x') = ''", "the function file"),
    ("SELECT 1 FROM otel_traces ARRAY JOIN [file('x')] AS y", "the function file"),
    ("SELECT 1 FROM numbers(length(file('x')))", "the function file"),
    ("SELECT arrayReduce('fileSum', [1])", "arrayReduce with fileSum"),
    ("SELECT arrayReduce(concat('su', 'm'), [1])", "arrayReduce with a computed name"),
    ("SELECT dictGet('d', 'a', 1)", "the function dictGet"),
    ("SELECT joinGet('t', 'a', 1)", "the function joinGet"),
    ("SELECT getSetting('max_threads')", "the function getSetting"),
    ("SELECT @@version", "the function globalVariable"),
    ("SELECT currentUser()", "the function currentUser"),
    ("SELECT sleep(3)", "the function sleep"),
    ("SELECT hasColumnInTable('system', 'users', 'name')", "the function hasColumnInTable"),
    ("SELECT aiGenerate('x', 'y')", "the function aiGenerate"),
    ("SELECT logTrace('x')", "the function logTrace"),
    ("SELECT catboostEvaluate('/m', 1)", "the function catboostEvaluate"),
    ("SELECT CAST(x, concat('AggregateFunction', '(sum, UInt8)'))", "a cast to a computed type"),
    ("SELECT x::AggregateFunction(uniq, String)", "a cast to AggregateFunction"),
    ("SELECT accurateCast('x', 'AggregateFunction(sum, UInt8)')", "a cast to AggregateFunction"),
    ("SELECT * FROM system.one", "the table system.one"),
    ("SELECT * FROM otel.clew_schema", "the table otel.clew_schema"),
    ("SELECT * FROM clew_schema", "the table clew_schema"),
    ("SELECT * FROM information_schema.tables", "the table information_schema.tables"),
    ("SELECT * FROM default.otel_traces", "the table default.otel_traces"),
    ("SELECT * FROM '/etc/passwd'", "the table /etc/passwd"),
    ("SELECT * FROM `otel.otel_traces`", "the table otel.otel_traces"),
    ("SELECT * FROM otel_traces WHERE TraceId IN system.one", "system.one on the right side of IN"),
    ("SELECT 1 IN `/etc/passwd`", "/etc/passwd on the right side of IN"),
    ("SELECT in(1, system.one)", "system.one on the right side of IN"),
    ("SELECT globalNotNullIn(1, system.one)", "system.one on the right side of IN"),
    ("WITH one AS (SELECT 1) SELECT 1 IN system.one", "system.one on the right side of IN"),
    ("WITH system AS (SELECT 1) SELECT * FROM system.one", "the table system.one"),
    ("SELECT * FROM file('/etc/passwd')", "the table function file"),
    ("SELECT * FROM Python(engine)", "the table function Python"),
    ("SELECT * FROM url('http://localhost')", "the table function url"),
    ("SELECT * FROM remote('a', 'b', 'c')", "the table function remote"),
    ("SELECT * FROM merge('otel', '.*')", "the table function merge"),
    ("SELECT * FROM loop(otel_traces)", "the table function loop"),
    ("SELECT * FROM view(SELECT 1)", "the table function view"),
    ("SELECT * FROM viewIfPermitted(SELECT 1 ELSE null('a Int'))", "viewIfPermitted"),
    ("SELECT * FROM (EXPLAIN SELECT 1)", "the table function viewExplain"),
    ("SELECT * FROM (VALUES (1))", "the table function SQLStandardValues"),
    ("SELECT * FROM generateRandom('a Int')", "the table function generateRandom"),
    ("SELECT * FROM fuzzQuery('SELECT 1')", "the table function fuzzQuery"),
    ("SELECT * FROM zeros(10)", "the table function zeros"),
    ("SELECT 1 FORMAT JSON", "FORMAT"),
    ("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO OUTFILE"),
    ("SELECT 1 SETTINGS max_threads = 8", "SETTINGS"),
    ("SELECT * FROM (SELECT 1 SETTINGS max_threads = 8)", "SETTINGS"),
    ("SELECT {x:String}", "a query parameter"),
    ("SELECT * FROM otel_traces STREAM", "STREAM"),
    ("EXPLAIN SELECT file('x')", "the function file"),
    ("EXPLAIN AST SELECT 1", "EXPLAIN AST"),
    ("EXPLAIN ESTIMATE SELECT 1", "EXPLAIN ESTIMATE"),
    ("EXPLAIN distributed = 1 SELECT 1", "this form of EXPLAIN"),
    ("EXPLAIN SELECT 1 FORMAT JSON", "FORMAT"),
    ("EXPLAIN SELECT 1 SETTINGS max_threads = 8", "SETTINGS"),
    ("SHOW TABLES", "SHOW TABLES"),
    ("SET max_threads = 1", "SET"),
    ("USE system", "USE"),
    ("DROP TABLE otel_traces", "DROP"),
    ("INSERT INTO otel_logs SELECT * FROM otel_logs", "INSERT"),
    ("KILL QUERY WHERE 1", "KILL"),
    ("SYSTEM STOP MERGES", "SYSTEM"),
]


@pytest.mark.parametrize(("sql", "what"), REFUSED, ids=[sql for sql, _ in REFUSED])
def test_what_is_refused_is_named(
    parse: Callable[[str], dict[str, Any]], sql: str, what: str
) -> None:
    with pytest.raises((ClewError, DatabaseError)) as caught:
        check(parse(sql), RULES)
    if isinstance(caught.value, ClewError):
        assert caught.value.code is ErrorCode.FORBIDDEN
        assert what in caught.value.message
    else:
        # Some kinds of statement have no tree at all, which refuses them too.
        assert "does not support JSON serialization" in str(caught.value)


def test_a_format_passes_only_where_we_put_it(parse: Callable[[str], dict[str, Any]]) -> None:
    ours = parse("SELECT 1 FORMAT Ours")
    check(ours, RULES, output_format="Ours")
    for tree in (ours, parse("SELECT 1 FORMAT JSON"), parse("SELECT 1")):
        with pytest.raises(ClewError, match="FORMAT"):
            check(tree, RULES, output_format="Theirs")
    with pytest.raises(ClewError, match="FORMAT"):
        check(ours, RULES)


def test_a_node_or_a_key_nobody_has_read_about_is_refused() -> None:
    select: dict[str, Any] = {"type": "SelectQuery", "select": {"type": "ExpressionList"}}
    tree = {
        "type": "SelectWithUnionQuery",
        "list_of_selects": {"type": "ExpressionList", "children": [select]},
    }
    check(tree, RULES)
    select["teleport"] = True
    with pytest.raises(ClewError, match="teleport is not allowed"):
        check(tree, RULES)
    del select["teleport"]
    select["where"] = {"type": "TimeMachine"}
    with pytest.raises(ClewError, match="TIME MACHINE is not allowed"):
        check(tree, RULES)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("count", True),
        ("COUNT", True),
        ("countIf", True),
        ("uniqExactArrayIf", True),
        ("quantileTDigestIf", True),
        ("sumIfState", True),
        ("toDateTime64", True),
        ("TODATETIME64", False),
        ("if", True),
        ("If", True),
        ("State", False),
        ("upperIf", False),
        ("fileIf", False),
        ("", False),
    ],
)
def test_a_function_is_known_by_its_name_and_its_combinators(name: str, allowed: bool) -> None:
    assert is_allowed(name) is allowed


def test_the_list_of_functions_is_that_of_the_engine_we_ship(client: Client) -> None:
    """A new engine needs a new list, and somebody who reads the difference."""
    rows = [tuple(row) for row in client.query(QUERY).result_rows]
    for name, members in select_allowed(rows).items():
        assert getattr(functions, name) == members, "see clew.store.engine.allowlist"
