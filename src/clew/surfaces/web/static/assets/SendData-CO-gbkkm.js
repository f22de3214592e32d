import{St as e,q as t,rt as n}from"./States-0_-U3abp.js";var r={spans:`import clew; clew.init("my-service")
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
make = lineage.stage(lambda *of: "made"); make(make(), make())`},i=/^http:\/\/(127\.0\.0\.1|localhost):7701$/;function a({what:a=`spans`}){let o=n(`/`).href.replace(/\/$/,``);return t(e,{children:[t(`p`,{children:`Three lines of Python send some, and it appears here at once:`}),t(`pre`,{children:r[a]}),t(`p`,{class:`soft`,children:[!i.test(o)&&t(e,{children:[`Say before it that the server is here: `,t(`code`,{children:[`export CLEW_SERVER=`,o]}),`.`,` `]}),`Any OTLP exporter does as well, sent to `,t(`code`,{children:o}),`. Or let a small system run:`,` `,t(`code`,{children:`clew demo`})]})]})}export{a as t};