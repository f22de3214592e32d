import{et as e,f as t,kt as n,ut as r}from"./States-6bDsSOqV.js";import{t as i}from"./ShardLinks-SX4n5LrN.js";var a={spans:`import clew; clew.init("my-service")
from opentelemetry import trace
with trace.get_tracer("mine").start_as_current_span("hello"): pass`,logs:`import clew, logging
clew.init("my-service")
logging.warning("hello")`,metrics:`import clew; clew.init("my-service")
from opentelemetry import metrics
metrics.get_meter("mine").create_counter("hello").add(1)`,runs:`import clew; clew.init("my-service")
from opentelemetry import trace
trace.get_tracer("mine").start_span("chat", attributes={
    "gen_ai.operation.name": "chat", "gen_ai.agent.name": "helper"}).end()`,objects:`from clew.twin import TriLogLogger, anchor
with anchor("cart_123", "ShoppingCart"):
    TriLogLogger("mine").state_change(item_count=5)`,processes:`from clew.twin import TriLogLogger, anchor
with anchor("order_7", "Checkout"):
    TriLogLogger("mine").phase_change("payment")`,links:`from clew import lineage
lineage.enable_tracing(node_id=1, to="otlp", spans=True)
make = lineage.stage(lambda *of: "made"); make(make(), make())`},o=/^http:\/\/(127\.0\.0\.1|localhost):7701$/;function s({what:s=`spans`}){let{group:c,shards:l}=t.value,u=r(`/`).href.replace(/\/$/,``),d=c===null||c.is_leader?u:c.leader_url??u;return l===null?e(n,{children:[e(`p`,{children:`Three lines of Python send some, and it appears here at once:`}),e(`pre`,{children:a[s]}),e(`p`,{class:`soft`,children:[!o.test(d)&&e(n,{children:[`Say before it `,d===u?`that the server is here`:`where the leader is`,`:`,` `,e(`code`,{children:[`export CLEW_SERVER=`,d]}),`.`,` `]}),`Any OTLP exporter does as well, sent to `,e(`code`,{children:d}),`. Or let a small system run:`,` `,e(`code`,{children:`clew demo`})]})]}):e(`p`,{children:[`This is a query tier, which takes nothing in. Send it to a shard, whose own page says how:`,` `,e(i,{}),`. A Collector divides it among them, as `,e(`code`,{children:`docs/guide/collector.md`}),` `,`shows.`]})}export{s as t};