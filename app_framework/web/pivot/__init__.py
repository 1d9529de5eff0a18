"""The pivot in the browser: Perspective asks for views, and every number in them is the answer to a `CubeQuery`.

layout = read_layout(PivotColumns.of(manager.describe("sales")), {"group_by": ["city"], "columns": ["revenue"]})
[question.query for question in layout.questions]
"""
