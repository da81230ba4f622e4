"""Decides how statements are worded, in English and Chinese. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

_WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("Settlement", "结算单"),
    "payee": ("Payee", "收款方"),
    "period": ("Period", "结算期间"),
    "from the beginning": ("from the beginning", "自开始"),
    "until": ("until", "至"),
    "state": ("State", "状态"),
    "draft": ("draft, waits for approval", "草稿，待审批"),
    "approved": ("approved, to be paid", "已审批，待付款"),
    "paid state": ("paid", "已付款"),
    "drawn": ("Drawn up", "制单"),
    "approvals": ("Approved by", "审批人"),
    "summary": ("Balance", "余额变动"),
    "opening": ("Opening balance", "期初余额"),
    "paid": ("Payments since", "期间付款"),
    "freed": ("Withdrawn settlements", "撤回的结算单"),
    "sales": ("Sales, your share", "销售分成"),
    "fees": ("Fees and charges", "费用"),
    "refunds": ("Refunds", "退款"),
    "corrections": ("Corrections", "更正"),
    "released": ("Released from reserve", "保证金释放"),
    "other": ("Other", "其他"),
    "closing": ("Closing balance", "期末余额"),
    "lines total": ("Settled here", "本次结算"),
    "reserve": ("Kept in reserve, {days} days", "保证金（{days} 天）"),
    "due": ("To be paid", "应付金额"),
    "after": ("Balance after payment", "付款后余额"),
    "payment": ("Payment", "付款"),
    "paid on": ("Paid on", "付款日期"),
    "reference": ("Reference", "付款凭证号"),
    "amount paid": ("Amount paid", "实付金额"),
    "rate": ("Exchange rate", "汇率"),
    "rate of drawing": ("Exchange rate when drawn up", "制单时汇率"),
    "rate source": ("from {source}, {at}", "来源 {source}，{at}"),
    "held": ("Sold, not payable yet", "已售未到期"),
    "payable from": ("payable from {day}", "{day} 起可结算"),
    "payable when": ("payable when its condition is met", "满足条件后可结算"),
    "batches": ("Your codes by batch", "按批次的卡密去向"),
    "batch": ("Batch", "批次"),
    "sku": ("SKU", "商品"),
    "received": ("received", "收到"),
    "received at": ("Received at", "收到时间"),
    "sold": ("sold", "已售"),
    "given": ("given as replacement", "补发"),
    "refunded": ("refunded", "已退款"),
    "replaced": ("replaced", "已更换"),
    "quarantined": ("quarantined", "已隔离"),
    "withdrawn": ("withdrawn", "已撤回"),
    "expired": ("expired", "已过期"),
    "on order": ("on order", "订单占用"),
    "in stock": ("in stock", "在库"),
    "total": ("Total", "合计"),
    "codes": ("Your codes", "卡密明细"),
    "code": ("Code", "卡密编号"),
    "mark": ("Mark", "指纹"),
    "fate": ("Fate", "去向"),
    "date": ("Date", "日期"),
    "channel": ("Channel", "渠道"),
    "order": ("Order", "订单"),
    "price": ("Price", "售价"),
    "share": ("Share", "分成"),
    "lines": ("Entries", "明细"),
    "kind": ("Kind", "类型"),
    "number": ("No.", "编号"),
    "quantity": ("Qty", "数量"),
    "amount": ("Amount", "金额"),
    "currency": ("Currency", "币种"),
    "note": ("Note", "备注"),
    "corrects": ("corrects settlement {number}: {why}", "更正结算单 {number}：{why}"),
    "sale kind": ("sale", "销售"),
    "release kind": ("share became payable", "分成到期"),
    "redemption kind": ("redemption", "核销"),
    "refund kind": ("refund", "退款"),
    "lapse kind": ("lapse", "失效"),
    "correction kind": ("correction", "更正"),
    "settlement kind": ("from reserve", "保证金释放"),
    "more": (
        "The first {shown} of {all}. All of them stand in the CSV and Excel files of this settlement.",
        "仅列出前 {shown} 条，共 {all} 条。全部明细见本结算单的 CSV 与 Excel 文件。",
    ),
    "masked": (
        "Codes are named by place and mark, and never shown. Times are UTC.",
        "卡密仅以编号与指纹表示，绝不显示明文。时间均为 UTC。",
    ),
}


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    language: str

    def __call__(self, key: str, **values: object) -> str:
        """A phrase; kinds that have none are told as they are."""
        if key not in _WORDS:
            return key.removesuffix(" kind")
        english, chinese = _WORDS[key]
        return (chinese if self.language == "zh" else english).format(**values)


def moment(at: datetime | None) -> str:
    """A time as statements write it."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def day(at: date | None) -> str:
    """A day as statements write it."""
    return "" if at is None else f"{at:%Y-%m-%d}"
