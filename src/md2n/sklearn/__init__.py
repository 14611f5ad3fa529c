"""scikit-learn's estimators: classification, regression and imputation where whole modalities are missing.

>>> from md2n.sklearn import MD2NImputer
>>> imputer = MD2NImputer(modalities={"acc": "acc_*", "gyro": "gyro_*"})
>>> imputer.fit_transform(table)                                      # doctest: +SKIP
"""

from md2n.sklearn.estimators import MD2NClassifier, MD2NRegressor
from md2n.sklearn.imputer import MD2NImputer

__all__ = ["MD2NClassifier", "MD2NImputer", "MD2NRegressor"]
